/* An utterance through all layers.
 *
 * Memory: u [frames][MODEL_FRAME_U], which in the end holds the logits; then x [frames][MODEL_FRAME_X] and the state of
 * the matvecs at work, whose room is later that of the decoder's scores. A network that runs forward in time takes each
 * frame through all layers, so that it keeps only logits of all frames. */
#include "model.h"
#include "contract.h"
#include "tables.h"

static size_t bytes_of(size_t frames, size_t codes)
{
    return (frames * codes * sizeof(int16_t) + 7u) / 8u * 8u;
}

size_t model_bytes(size_t frames)
{
    const size_t frame = 2u * MODEL_FRAME_U + 2u * MODEL_FRAME_X + MODEL_SCORE_BYTES;
    size_t run, decode;
    if (frames > ((size_t)-1 - MODEL_STATE_BYTES - 16u) / frame)
        return 0;
    run = bytes_of(frames, MODEL_FRAME_X) + MODEL_STATE_BYTES;
    decode = frames * MODEL_SCORE_BYTES;
    return bytes_of(frames, MODEL_FRAME_U) + (run > decode ? run : decode);
}

static const struct model_readers output_readers = {MODEL_READERS - 1, 1};

static void input_codes(const float *features, int16_t *x)
{
    unsigned i;
    for (i = 0; i < MODEL_FEATURES; i++) {
        float code = features[i] - model_means[i];
        code = code / model_stds[i];
        code = code * MODEL_INPUT_POWER;
        x[i] = code == code ? (int16_t)model_grid(code) : 0;
    }
}

#if MODEL_FORWARD
/* What a frame needs besides what is kept from frame to frame, all of it in the state. */
struct scratch {
    struct model_sent *list;
    int16_t *x, *u;
};

static struct scratch scratch_of(unsigned char **state)
{
    struct scratch scratch;
    scratch.list = (struct model_sent *)(void *)model_take(state, MODEL_MOST_COLS * sizeof(struct model_sent));
    scratch.x = (int16_t *)(void *)model_take(state, MODEL_WIDEST * sizeof(int16_t));
    scratch.u = (int16_t *)(void *)model_take(state, MODEL_UNITS * sizeof(int16_t));
    return scratch;
}

void model_start(void *state)
{
    unsigned char *room = (unsigned char *)state;
    const struct scratch scratch = scratch_of(&room);
    struct model_stream output;
    unsigned layer;
    for (layer = 0; layer < MODEL_LAYERS; layer++)
        model_layer_start(layer, &room, scratch.list);
    model_stream_place(&output, output_readers, &room, scratch.list);
    model_stream_start(&output);
}

void model_next(void *state, const float *features, size_t frames, int16_t *logits, const struct model_observer *observer)
{
    uint64_t *const sent = observer != 0 ? observer->sent : 0;
    size_t t;
    for (t = 0; t < frames; t++) {
        unsigned char *room = (unsigned char *)state;
        const struct scratch scratch = scratch_of(&room);
        struct model_stream output;
        unsigned layer;
        input_codes(features + t * MODEL_FEATURES, scratch.x);
        for (layer = 0; layer < MODEL_LAYERS; layer++) {
            model_layer_step(layer, scratch.x, scratch.u, &room, scratch.list, sent);
            if (observer != 0 && observer->layer != 0)
                observer->layer(observer->to, layer, scratch.x, 1, MODEL_WIDEST);
        }
        model_stream_place(&output, output_readers, &room, scratch.list);
        model_stream_step(&output, scratch.x, logits + t * MODEL_OUTPUTS);
        model_stream_count(&output, sent);
    }
}

const int16_t *model_run(const float *features, size_t frames, void *memory, const struct model_observer *observer)
{
    int16_t *const logits = (int16_t *)memory;
    void *const state = (unsigned char *)memory + bytes_of(frames, MODEL_FRAME_U);
    if (frames == 0)
        return logits;
    model_start(state);
    model_next(state, features, frames, logits, observer);
    return logits;
}
#else
const int16_t *model_run(const float *features, size_t frames, void *memory, const struct model_observer *observer)
{
    int16_t *const u = (int16_t *)memory;
    int16_t *const x = u + bytes_of(frames, MODEL_FRAME_U) / sizeof(int16_t);
    unsigned char *const state = (unsigned char *)memory + bytes_of(frames, MODEL_FRAME_U) + bytes_of(frames, MODEL_FRAME_X);
    unsigned char *room = state;
    uint64_t *const sent = observer != 0 ? observer->sent : 0;
    struct model_stream output;
    struct model_sent *list;
    unsigned layer;
    size_t t;
    if (frames == 0)
        return u;
    for (t = 0; t < frames; t++)
        input_codes(features + t * MODEL_FEATURES, x + t * MODEL_WIDEST);
    for (layer = 0; layer < MODEL_LAYERS; layer++) {
        model_layer(layer, x, u, frames, state, sent);
        if (observer != 0 && observer->layer != 0)
            observer->layer(observer->to, layer, x, frames, MODEL_WIDEST);
    }
    list = (struct model_sent *)(void *)model_take(&room, MODEL_MOST_COLS * sizeof(struct model_sent));
    model_stream_place(&output, output_readers, &room, list);
    model_stream_start(&output);
    for (t = 0; t < frames; t++)
        model_stream_step(&output, x + t * MODEL_WIDEST, u + t * MODEL_OUTPUTS);
    model_stream_count(&output, sent);
    return u;
}
#endif
