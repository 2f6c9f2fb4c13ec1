/* Seconds of processor time of model_run over all utterances of a file, the least of some passes, and their frames. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "model.h"

#define PASSES 5

int main(int argc, char **argv)
{
    FILE *const from = argc == 2 ? fopen(argv[1], "rb") : 0;
    double least = 1e9;
    unsigned long all = 0;
    uint32_t start[2], i;
    int pass;
    for (pass = 0; from != 0 && pass < PASSES; pass++) {
        double seconds = 0;
        all = 0;
        rewind(from);
        if (fread(start, sizeof start[0], 2, from) != 2)
            return 1;
        for (i = 0; i < start[1]; i++) {
            uint32_t frames;
            float *features;
            void *memory;
            clock_t before;
            if (fread(&frames, sizeof frames, 1, from) != 1)
                return 1;
            features = malloc(frames * MODEL_FEATURES * sizeof(float));
            memory = malloc(model_bytes(frames));
            if (features == 0 || memory == 0 || fread(features, MODEL_FEATURES * sizeof(float), frames, from) != frames)
                return 1;
            before = clock();
            model_run(features, frames, memory, 0);
            seconds += (double)(clock() - before) / CLOCKS_PER_SEC;
            all += frames;
            free(memory);
            free(features);
        }
        least = seconds < least ? seconds : least;
    }
    printf("%.6f %lu\n", least, all);
    return from == 0;
}
