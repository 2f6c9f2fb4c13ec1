/* Reads an utterance, a file of little-endian float32 features [frames, MODEL_FEATURES], and prints its phones. */
#include <stdio.h>
#include <stdlib.h>
#include "model.h"
#if MODEL_HAS_DECODER
#include "phone_names.h"
#endif

static float *read_features(const char *path, size_t *frames)
{
    FILE *file = fopen(path, "rb");
    float *features = NULL;
    size_t room = 0, count = 0;
    unsigned char bytes[4];
    if (file == NULL) {
        return NULL;
    }
    while (fread(bytes, 1, 4, file) == 4) {
        const uint32_t bits = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16
            | (uint32_t)bytes[3] << 24;
        union {
            uint32_t bits;
            float value;
        } word;
        if (count == room) {
            float *grown = (float *)realloc(features, (room = 2 * room + 1024) * sizeof(float));
            if (grown == NULL) {
                free(features);
                fclose(file);
                return NULL;
            }
            features = grown;
        }
        word.bits = bits;
        features[count++] = word.value;
    }
    fclose(file);
    *frames = count / MODEL_FEATURES;
    if (features == NULL) {
        features = (float *)malloc(sizeof(float));
    }
    return features;
}

#if MODEL_HAS_DECODER
static int print(const int16_t *logits, size_t frames)
{
    void *memory = malloc(decoder_bytes(frames));
    uint8_t *phones = (uint8_t *)malloc(frames / 3 + 1);
    size_t count, k;
    if (memory == NULL || phones == NULL) {
        free(memory);
        free(phones);
        return 1;
    }
    count = decoder_run(logits, frames, memory, decoder_bytes(frames), phones);
    for (k = 0; k < count; ++k) {
        printf("%s%s", k == 0 ? "" : " ", phone_names[phones[k]]);
    }
    printf("\n");
    free(memory);
    free(phones);
    return 0;
}
#else
static int print(const int16_t *logits, size_t frames) /* no decoder: the greatest output of every frame */
{
    size_t t, k;
    for (t = 0; t < frames; ++t) {
        size_t best = 0;
        for (k = 1; k < MODEL_OUTPUTS; ++k) {
            if (logits[t * MODEL_OUTPUTS + k] > logits[t * MODEL_OUTPUTS + best]) {
                best = k;
            }
        }
        printf("%s%lu", t == 0 ? "" : " ", (unsigned long)best);
    }
    printf("\n");
    return 0;
}
#endif

int main(int count, char **arguments)
{
    size_t frames = 0, bytes;
    float *features;
    int16_t *logits;
    void *memory;
    int failed = 1;
    if (count != 2) {
        fprintf(stderr, "usage: %s FEATURES\n", arguments[0]);
        return 2;
    }
    features = read_features(arguments[1], &frames);
    if (features == NULL) {
        fprintf(stderr, "cannot read %s\n", arguments[1]);
        return 1;
    }
    bytes = model_bytes(frames);
    memory = bytes == 0 ? NULL : malloc(bytes);
    logits = (int16_t *)malloc((frames + 1) * MODEL_OUTPUTS * sizeof(int16_t));
    if (memory != NULL && logits != NULL
        && model_run(features, frames, memory, bytes, logits, NULL) == MODEL_DONE) {
        failed = print(logits, frames);
    }
    if (failed) {
        fprintf(stderr, "not enough memory for %lu frames\n", (unsigned long)frames);
    }
    free(features);
    free(memory);
    free(logits);
    return failed;
}
