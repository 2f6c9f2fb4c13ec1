/* Prints what the network hears in files of features: raw little-endian float32 [frames][MODEL_FEATURES], an utterance
 * a file. Labels by name where it decodes, else each frame's highest output. */
#include <stdio.h>
#include <stdlib.h>
#include "model.h"

#if MODEL_DECODES
static int print_heard(const float *features, size_t frames, void *memory)
{
    static const char *const names[] = MODEL_LABELS;
    int16_t *const labels = (int16_t *)malloc((frames / MODEL_FRAMES_A_LABEL + 1) * sizeof(int16_t));
    size_t count, i;
    if (labels == 0)
        return 1;
    model_run(features, frames, memory, 0);
    count = model_decode(frames, memory, labels);
    for (i = 0; i < count; i++)
        printf("%s%s", i > 0 ? " " : "", names[labels[i]]);
    free(labels);
    return 0;
}
#else
static int print_heard(const float *features, size_t frames, void *memory)
{
    const int16_t *logits = model_run(features, frames, memory, 0);
    size_t t, i;
    for (t = 0; t < frames; t++, logits += MODEL_OUTPUTS) {
        size_t best = 0;
        for (i = 1; i < MODEL_OUTPUTS; i++)
            if (logits[i] > logits[best])
                best = i;
        printf("%s%lu", t > 0 ? " " : "", (unsigned long)best);
    }
    return 0;
}
#endif

/* All frames of a file, and how many; null where it cannot be read. */
static float *read_features(const char *path, size_t *frames)
{
    const size_t frame = MODEL_FEATURES * sizeof(float);
    FILE *const file = fopen(path, "rb");
    float *features = 0;
    size_t room = 0;
    *frames = 0;
    while (file != 0) {
        if (*frames == room) {
            float *more;
            room = 2 * room + 256;
            more = (float *)realloc(features, room * frame);
            if (more == 0)
                break;
            features = more;
        }
        if (fread(features + *frames * MODEL_FEATURES, frame, 1, file) != 1) {
            fclose(file);
            return features;
        }
        ++*frames;
    }
    if (file != 0)
        fclose(file);
    free(features);
    return 0;
}

static int hear(const char *path)
{
    size_t frames;
    float *const features = read_features(path, &frames);
    const size_t bytes = model_bytes(frames);
    void *const memory = features != 0 && bytes > 0 ? malloc(bytes) : 0;
    int failed = memory == 0 ? 1 : print_heard(features, frames, memory);
    if (failed)
        fprintf(stderr, "cannot read %s, or memory is short\n", path);
    else
        printf("\n");
    free(memory);
    free(features);
    return failed;
}

int main(int argc, char **argv)
{
    int i, failed = 0;
    if (argc < 2) {
        fprintf(stderr, "usage: main FEATURES..., each float32 [frames, %d]\n", MODEL_FEATURES);
        return 2;
    }
    for (i = 1; i < argc; i++)
        failed |= hear(argv[i]);
    return failed;
}
