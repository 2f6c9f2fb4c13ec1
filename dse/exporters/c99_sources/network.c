/* An utterance through all layers.
 *
 * Memory: u [frames][MODEL_UNITS], which in the end holds the logits; then x [frames][MODEL_WIDEST] and the state of
 * the matvecs at work, whose room is later that of the decoder's scores. */
#include "model.h"
#include "contract.h"
#include "tables.h"

static size_t bytes_of(size_t frames, size_t codes)
{
    return (frames * codes * sizeof(int16_t) + 7u) / 8u * 8u;
}

size_t model_bytes(size_t frames)
{
    const size_t frame = 2u * MODEL_UNITS + 2u * MODEL_WIDEST + MODEL_SCORE_BYTES;
    size_t run, decode;
    if (frames > ((size_t)-1 - MODEL_STATE_BYTES - 16u) / frame)
        return 0;
    run = bytes_of(frames, MODEL_WIDEST) + MODEL_STATE_BYTES;
    decode = frames * MODEL_SCORE_BYTES;
    return bytes_of(frames, MODEL_UNITS) + (run > decode ? run : decode);
}

static int16_t input_code(float feature, unsigned i)
{
    float x = feature - model_means[i];
    x = x / model_stds[i];
    x = x * MODEL_INPUT_POWER;
    return x == x ? (int16_t)model_grid(x) : 0;
}

const int16_t *model_run(const float *features, size_t frames, void *memory, const struct model_observer *observer)
{
    const struct model_readers readers = {MODEL_READERS - 1, 1};
    int16_t *const u = (int16_t *)memory;
    int16_t *const x = u + bytes_of(frames, MODEL_UNITS) / sizeof(int16_t);
    unsigned char *const state = (unsigned char *)memory + bytes_of(frames, MODEL_UNITS) + bytes_of(frames, MODEL_WIDEST);
    unsigned char *room = state;
    uint64_t *const sent = observer != 0 ? observer->sent : 0;
    struct model_stream output;
    struct model_sent *list;
    unsigned layer, i;
    size_t t;
    if (frames == 0)
        return u;
    for (t = 0; t < frames; t++)
        for (i = 0; i < MODEL_FEATURES; i++)
            x[t * MODEL_WIDEST + i] = input_code(features[t * MODEL_FEATURES + i], i);
    for (layer = 0; layer < MODEL_LAYERS; layer++) {
        model_layer(layer, x, u, frames, state, sent);
        if (observer != 0 && observer->layer != 0)
            observer->layer(observer->to, layer, x, frames, MODEL_WIDEST);
    }
    list = (struct model_sent *)(void *)model_take(&room, MODEL_MOST_COLS * sizeof(struct model_sent));
    model_stream_open(&output, readers, &room, list);
    for (t = 0; t < frames; t++)
        model_stream_step(&output, x + t * MODEL_WIDEST, u + t * MODEL_OUTPUTS);
    model_stream_count(&output, sent);
    return u;
}
