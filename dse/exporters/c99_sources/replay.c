/* Runs the utterances of a file and writes all that can be compared, in the machine's own byte order. With a number of
 * frames as third argument a network that runs forward in time is given so many at once.
 *
 * In:  uint32 MODEL_FEATURES, utterances; each: uint32 frames, float32 [frames][MODEL_FEATURES].
 * Out: uint32 layers, MODEL_WIDTH, MODEL_OUTPUTS, MODEL_DECODES, matvecs and letters of their names; the names, a line
 *      each; each utterance: int16 [frames][MODEL_WIDTH] of every layer, int16 [frames][MODEL_OUTPUTS] logits, and where
 *      it decodes uint32 count, int16 [count] labels; at last uint64 [MODEL_MATVECS] sent elements of all utterances. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model.h"

static void write_all(FILE *to, const void *data, size_t size, size_t count)
{
    if (fwrite(data, size, count, to) != count)
        exit(3);
}

static void read_all(FILE *from, void *data, size_t size, size_t count)
{
    if (fread(data, size, count, from) != count)
        exit(2);
}

/* Outputs of all layers, one layer after the other, and where the next frame of each is kept. */
struct outputs {
    int16_t *codes;
    size_t next[MODEL_LAYERS];
};

static void keep_layer(void *to, unsigned layer, const int16_t *codes, size_t frames, size_t stride)
{
    struct outputs *const outputs = (struct outputs *)to;
    size_t t;
    for (t = 0; t < frames; t++) {
        memcpy(outputs->codes + outputs->next[layer] * MODEL_WIDTH, codes + t * stride, MODEL_WIDTH * sizeof(int16_t));
        outputs->next[layer]++;
    }
}

/* A block of its very size, so that a sanitizer sees a step beyond it. */
static void *room(size_t bytes)
{
    void *const taken = malloc(bytes > 0 ? bytes : 1);
    if (taken == 0)
        exit(4);
    return taken;
}

/* The utterance in pieces of up to `chunk` frames, or at once where it is 0; the logits are in `memory`. */
static void run_network(const float *features, size_t frames, size_t chunk, void *memory,
                        const struct model_observer *observer)
{
#if MODEL_FORWARD
    if (chunk != 0) {
        int16_t *const logits = (int16_t *)memory;
        void *const state = room(MODEL_STATE_BYTES);
        size_t t, piece;
        model_start(state);
        for (t = 0; t < frames; t += piece) {
            piece = frames - t < chunk ? frames - t : chunk;
            model_next(state, features + t * MODEL_FEATURES, piece, logits + t * MODEL_OUTPUTS, observer);
        }
        free(state);
        return;
    }
#else
    (void)chunk;
#endif
    model_run(features, frames, memory, observer);
}

static void run(FILE *from, FILE *to, size_t chunk, uint64_t *sent)
{
    struct model_observer observer;
    struct outputs outputs;
    uint32_t frames;
    float *features;
    void *memory;
    unsigned layer;
    read_all(from, &frames, sizeof frames, 1);
    features = (float *)room((size_t)frames * MODEL_FEATURES * sizeof(float));
    memory = room(model_bytes(frames));
    outputs.codes = (int16_t *)room((size_t)MODEL_LAYERS * frames * MODEL_WIDTH * sizeof(int16_t));
    for (layer = 0; layer < MODEL_LAYERS; layer++)
        outputs.next[layer] = (size_t)layer * frames;
    observer.layer = keep_layer;
    observer.to = &outputs;
    observer.sent = sent;
    read_all(from, features, MODEL_FEATURES * sizeof(float), frames);
    run_network(features, frames, chunk, memory, &observer);
    write_all(to, outputs.codes, MODEL_WIDTH * sizeof(int16_t), (size_t)MODEL_LAYERS * frames);
    write_all(to, memory, MODEL_OUTPUTS * sizeof(int16_t), frames);
#if MODEL_DECODES
    {
        int16_t *const labels = (int16_t *)room(frames / MODEL_FRAMES_A_LABEL * sizeof(int16_t));
        const uint32_t count = (uint32_t)model_decode(frames, memory, labels);
        write_all(to, &count, sizeof count, 1);
        write_all(to, labels, sizeof(int16_t), count);
        free(labels);
    }
#endif
    free(outputs.codes);
    free(memory);
    free(features);
}

int main(int argc, char **argv)
{
    static const char names[] = MODEL_MATVEC_NAMES;
    static uint64_t sent[MODEL_MATVECS];
    const uint32_t sizes[] = {MODEL_LAYERS, MODEL_WIDTH, MODEL_OUTPUTS, MODEL_DECODES, MODEL_MATVECS, sizeof names - 1};
    const int files = argc == 3 || argc == 4;
    const size_t chunk = argc == 4 ? (size_t)strtoul(argv[3], 0, 10) : 0;
    FILE *const from = files ? fopen(argv[1], "rb") : 0, *const to = files ? fopen(argv[2], "wb") : 0;
    uint32_t start[2], i;
    if (from == 0 || to == 0)
        return 1;
    read_all(from, start, sizeof start[0], 2);
    if (start[0] != MODEL_FEATURES)
        return 5;
    write_all(to, sizes, sizeof sizes[0], sizeof sizes / sizeof sizes[0]);
    write_all(to, names, 1, sizeof names - 1);
    for (i = 0; i < start[1]; i++)
        run(from, to, chunk, sent);
    write_all(to, sent, sizeof sent[0], MODEL_MATVECS);
    fclose(from);
    return fclose(to) != 0;
}
