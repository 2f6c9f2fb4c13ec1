#include "fixed.h"
#include "model_data.h"

typedef char network_moves_are_8_bytes[sizeof(MatVecMove) == 8 ? 1 : -1]; /* MODEL_BYTES counts on it */

size_t model_bytes(size_t frames)
{
    return frames > ((size_t)-1 - MODEL_BYTES(0)) / MODEL_FRAME_BYTES ? 0 : MODEL_BYTES(frames);
}

/* Features on their grid: one beyond it saturates, one that is not a number is 0. */
static void read_features(const float *features, size_t frames, int16_t *x)
{
    size_t t, i;
    for (t = 0; t < frames; ++t) {
        for (i = 0; i < MODEL_FEATURES; ++i) {
            const float value = (*features++ - model_mean[i]) / model_std[i];
            *x++ = (int16_t)(value != value ? 0 : fixed_grid(value * model_feature_steps));
        }
    }
}

ModelResult model_run(
    const float *features, size_t frames, void *memory, size_t bytes, int16_t *logits, const ModelObserver *observer)
{
    static const Readers output = {MODEL_MATVECS - 1, 1};
    const size_t width = MODEL_BUFFER_WIDTH, needed = model_bytes(frames);
    uint64_t *sent;
    int16_t *x, *y;
    Memory rest;
    ReadersState last;
    uint32_t layer, k;
    size_t t;
    if (needed == 0 || bytes < needed || (uintptr_t)memory % 8 != 0) {
        return MODEL_NO_MEMORY;
    }
    rest.next = (unsigned char *)memory;
    sent = (uint64_t *)memory_take(&rest, sizeof(uint64_t) * MODEL_MATVECS);
    x = (int16_t *)memory_take(&rest, sizeof(int16_t) * frames * width);
    y = (int16_t *)memory_take(&rest, sizeof(int16_t) * frames * width);
    for (k = 0; k < MODEL_MATVECS; ++k) {
        sent[k] = 0;
    }
    read_features(features, frames, x);
    for (layer = 0; layer < MODEL_LAYERS; ++layer) {
        int16_t *output_of_layer = y;
        layer_run(model_layers[layer], x, frames, y, rest, sent);
        if (observer != NULL && observer->layer != NULL) {
            observer->layer(observer->context, layer, y, frames);
        }
        y = x;
        x = output_of_layer;
    }
    last = readers_open(&output, &rest);
    readers_start(&output, &last);
    for (t = 0; t < frames; ++t) {
        readers_step(&output, &last, x + t * 2 * MODEL_HIDDEN, logits + t * MODEL_OUTPUTS, sent);
    }
    if (observer != NULL && observer->sent != NULL) {
        for (k = 0; k < MODEL_MATVECS; ++k) {
            observer->sent[k] += sent[k];
        }
    }
    return MODEL_DONE;
}
