/* Runs utterances for a comparison with the evaluator: replay INPUT OUTPUT, both in the machine's own byte order.
 *
 * INPUT, uint32: the number of features and of utterances, frames of each; then features float32 [all frames, features].
 * OUTPUT, uint32: layers, units of a direction, outputs, matvecs, whether there is a decoder; names of the matvecs, each
 * with a newline. Of each utterance the codes int16 of every layer's output [frames, 2 units] and of the logits
 * [frames, outputs], and where there is a decoder a count uint32 and phones uint8. At last the elements that each matvec
 * sent, uint64 [matvecs].
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "matvec_names.h"
#include "model.h"

#ifdef REPLAY_COUNTS /* of instructions, on an emulated board */
uint32_t replay_ticks(void);
#endif

static FILE *output;
static int failed = 0;

static void put(const void *data, size_t size, size_t count)
{
    failed |= fwrite(data, size, count, output) != count;
}

static void put_layer(void *context, uint32_t layer, const int16_t *codes, size_t frames)
{
    (void)context;
    (void)layer;
    put(codes, sizeof(int16_t), frames * 2 * MODEL_HIDDEN);
}

static int run(const float *features, size_t frames, uint64_t *sent)
{
    const size_t bytes = model_bytes(frames);
    void *memory = bytes == 0 ? NULL : malloc(bytes);
    int16_t *logits = (int16_t *)malloc((frames + 1) * MODEL_OUTPUTS * sizeof(int16_t));
    ModelObserver observer;
    int wrong;
    observer.layer = put_layer;
    observer.context = NULL;
    observer.sent = sent;
    wrong = memory == NULL || logits == NULL
        || model_run(features, frames, memory, bytes, logits, &observer) != MODEL_DONE;
    free(memory);
    if (!wrong) {
        put(logits, sizeof(int16_t), frames * MODEL_OUTPUTS);
#ifdef REPLAY_COUNTS
        {
            const size_t needed = model_bytes(frames);
            void *again = malloc(needed);
            uint32_t ticks = replay_ticks();
            wrong |= again == NULL || model_run(features, frames, again, needed, logits, NULL) != MODEL_DONE;
            ticks = replay_ticks() - ticks;
            printf("%lu %lu\n", (unsigned long)frames, (unsigned long)ticks);
            free(again);
        }
#endif
    }
#if MODEL_HAS_DECODER
    if (!wrong) {
        void *search = malloc(decoder_bytes(frames));
        uint8_t *phones = (uint8_t *)malloc(frames / 3 + 1);
        wrong = search == NULL || phones == NULL;
        if (!wrong) {
            const uint32_t count = (uint32_t)decoder_run(logits, frames, search, decoder_bytes(frames), phones);
            put(&count, sizeof count, 1);
            put(phones, 1, count);
        }
        free(search);
        free(phones);
    }
#endif
    free(logits);
    return wrong;
}

static void put_shape(void)
{
    const uint32_t shape[5] = {MODEL_LAYERS, MODEL_HIDDEN, MODEL_OUTPUTS, MODEL_MATVECS, MODEL_HAS_DECODER};
    size_t k;
    put(shape, sizeof(uint32_t), 5);
    for (k = 0; k < MODEL_MATVECS; ++k) {
        put(matvec_names[k], 1, strlen(matvec_names[k]));
        put("\n", 1, 1);
    }
}

int main(int count, char **arguments)
{
    static uint64_t sent[MODEL_MATVECS];
    FILE *input = count == 3 ? fopen(arguments[1], "rb") : NULL;
    uint32_t given[2] = {0, 0}, utterances, u;
    uint32_t *frames = NULL;
    output = input == NULL ? NULL : fopen(arguments[2], "wb");
    failed = output == NULL || fread(given, sizeof(uint32_t), 2, input) != 2 || given[0] != MODEL_FEATURES;
    utterances = given[1];
    if (!failed) {
        frames = (uint32_t *)malloc(((size_t)utterances + 1) * sizeof(uint32_t));
        failed = frames == NULL || fread(frames, sizeof(uint32_t), utterances, input) != utterances;
        put_shape();
    }
    for (u = 0; u < utterances && !failed; ++u) {
        const size_t values = (size_t)frames[u] * MODEL_FEATURES;
        float *features = (float *)malloc((values + 1) * sizeof(float));
        failed = features == NULL || fread(features, sizeof(float), values, input) != values;
        failed = failed || run(features, frames[u], sent);
        free(features);
    }
    if (!failed) {
        put(sent, sizeof(uint64_t), MODEL_MATVECS);
    }
    free(frames);
    if (output != NULL) {
        failed |= fclose(output) != 0;
    }
    if (input != NULL) {
        fclose(input);
    }
    if (failed) {
        fprintf(stderr, "replay: a file or the memory does not do\n");
    }
    return failed;
}
