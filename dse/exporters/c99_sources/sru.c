/* A layer of an SRU: projection and input matvec of all frames, then the cells, both directions side by side. */
#include "model.h"
#include "contract.h"
#include "sru.h"

static void read_vectors(const struct model_sru *layer, const int16_t *x, int16_t *u, size_t frames, unsigned char *state,
                     uint64_t *sent)
{
    struct model_sent *const list =
        (struct model_sent *)(void *)model_take(&state, MODEL_MOST_COLS * sizeof(struct model_sent));
    int16_t *const projected = (int16_t *)(void *)model_take(&state, MODEL_PROJECTION * sizeof(int16_t));
    struct model_stream projection, input;
    size_t t;
    model_stream_open(&projection, layer->projection, &state, list);
    model_stream_open(&input, layer->input, &state, list);
    for (t = 0; t < frames; t++) {
        const int16_t *read = x + t * MODEL_WIDEST;
        if (layer->projection.count != 0) {
            model_stream_step(&projection, read, projected);
            read = projected;
        }
        model_stream_step(&input, read, u + t * MODEL_UNITS);
    }
    model_stream_count(&projection, sent);
    model_stream_count(&input, sent);
}

static float gate_of(float pre, float v, float c, float v_scale)
{
    const float through = model_grid(v * c * v_scale);
    return (float)model_sigmoid((int32_t)model_clip(pre + through));
}

void model_layer(unsigned number, int16_t *x, int16_t *u, size_t frames, unsigned char *state, uint64_t *sent)
{
    const struct model_sru *const layer = &model_layers[number];
    const int16_t *const v = model_vectors + layer->v;
    int16_t *const c = (int16_t *)(void *)state;
    size_t step, i;
    read_vectors(layer, x, u, frames, state, sent);
    for (i = 0; i < MODEL_WIDTH; i++)
        c[i] = 0;
    for (step = 0; step < frames; step++) {
        for (i = 0; i < MODEL_WIDTH; i++) {
            const size_t t = i < MODEL_HIDDEN ? step : frames - 1 - step;
            const int16_t *const part = u + t * MODEL_UNITS + i;
            int16_t *const out = x + t * MODEL_WIDEST + i; /* only this unit reads it, and now for the last time */
            const float before = (float)c[i], candidate = (float)part[0];
            const float f = gate_of((float)part[MODEL_WIDTH], (float)v[i], before, layer->v_scale);
            const float r = gate_of((float)part[2 * MODEL_WIDTH], (float)v[MODEL_WIDTH + i], before, layer->v_scale);
            const float highway =
                layer->has_highway ? (float)part[3 * MODEL_WIDTH] : model_grid((float)*out * layer->x_scale);
            const float after = model_blend(f, candidate, before);
            c[i] = (int16_t)after;
            *out = (int16_t)model_blend(r, highway, after);
        }
    }
}
