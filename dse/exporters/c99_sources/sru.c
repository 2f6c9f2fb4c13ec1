/* A layer of an SRU. Both ways: projection and input matvec of all frames, then the cells, both directions side by side.
 * Forward in time only: frame by frame. */
#include "model.h"
#include "contract.h"
#include "sru.h"

/* The matvecs of a layer at work. */
struct sru_reading {
    struct model_stream projection, input;
};

static void place_reading(struct sru_reading *reading, const struct model_sru *layer, unsigned char **state,
                          struct model_sent *list)
{
    model_stream_place(&reading->projection, layer->projection, state, list);
    model_stream_place(&reading->input, layer->input, state, list);
}

static void start_reading(struct sru_reading *reading)
{
    model_stream_start(&reading->projection);
    model_stream_start(&reading->input);
}

/* The next vector: u of x; projected [MODEL_PROJECTION] is scratch. */
static void read_vector(struct sru_reading *reading, const int16_t *x, int16_t *projected, int16_t *u)
{
    if (reading->projection.count != 0) {
        model_stream_step(&reading->projection, x, projected);
        x = projected;
    }
    model_stream_step(&reading->input, x, u);
}

static void count_reading(const struct sru_reading *reading, uint64_t *sent)
{
    model_stream_count(&reading->projection, sent);
    model_stream_count(&reading->input, sent);
}

static float gate_of(float pre, float v, float c, float v_scale)
{
    const float through = model_grid(v * c * v_scale);
    return (float)model_sigmoid((int32_t)model_clip(pre + through));
}

/* Bring unit i one frame on: c, and out, which holds its highway where the input matvec computes none. */
static void step_unit(const struct model_sru *layer, size_t i, const int16_t *u, int16_t *c, int16_t *out)
{
    const int16_t *const v = model_vectors + layer->v, *const part = u + i;
    const float before = (float)*c, candidate = (float)part[0];
    const float f = gate_of((float)part[MODEL_WIDTH], (float)v[i], before, layer->v_scale);
    const float r = gate_of((float)part[2 * MODEL_WIDTH], (float)v[MODEL_WIDTH + i], before, layer->v_scale);
    const float highway = layer->has_highway ? (float)part[3 * MODEL_WIDTH] : model_grid((float)*out * layer->x_scale);
    const float after = model_blend(f, candidate, before);
    *c = (int16_t)after;
    *out = (int16_t)model_blend(r, highway, after);
}

#if MODEL_FORWARD
void model_layer_start(unsigned number, unsigned char **state, struct model_sent *list)
{
    int16_t *const c = (int16_t *)(void *)model_take(state, MODEL_WIDTH * sizeof(int16_t));
    struct sru_reading reading;
    size_t i;
    place_reading(&reading, &model_layers[number], state, list);
    start_reading(&reading);
    for (i = 0; i < MODEL_WIDTH; i++)
        c[i] = 0;
}

void model_layer_step(unsigned number, int16_t *x, int16_t *u, unsigned char **state, struct model_sent *list,
                      uint64_t *sent)
{
    const struct model_sru *const layer = &model_layers[number];
    int16_t *const c = (int16_t *)(void *)model_take(state, MODEL_WIDTH * sizeof(int16_t));
    struct sru_reading reading;
    size_t i;
    place_reading(&reading, layer, state, list);
    read_vector(&reading, x, u + MODEL_UNITS - MODEL_PROJECTION, u);
    count_reading(&reading, sent);
    for (i = 0; i < MODEL_WIDTH; i++)
        step_unit(layer, i, u, &c[i], &x[i]);
}
#else
static void read_vectors(const struct model_sru *layer, const int16_t *x, int16_t *u, size_t frames, unsigned char *state,
                         uint64_t *sent)
{
    struct model_sent *const list =
        (struct model_sent *)(void *)model_take(&state, MODEL_MOST_COLS * sizeof(struct model_sent));
    int16_t *const projected = (int16_t *)(void *)model_take(&state, MODEL_PROJECTION * sizeof(int16_t));
    struct sru_reading reading;
    size_t t;
    place_reading(&reading, layer, &state, list);
    start_reading(&reading);
    for (t = 0; t < frames; t++)
        read_vector(&reading, x + t * MODEL_WIDEST, projected, u + t * MODEL_UNITS);
    count_reading(&reading, sent);
}

void model_layer(unsigned number, int16_t *x, int16_t *u, size_t frames, unsigned char *state, uint64_t *sent)
{
    const struct model_sru *const layer = &model_layers[number];
    int16_t *const c = (int16_t *)(void *)state;
    size_t step, i;
    read_vectors(layer, x, u, frames, state, sent);
    for (i = 0; i < MODEL_WIDTH; i++)
        c[i] = 0;
    for (step = 0; step < frames; step++)
        for (i = 0; i < MODEL_WIDTH; i++) {
            const size_t t = i < MODEL_HIDDEN ? step : frames - 1 - step;
            /* x of this unit and frame is read by it alone, and now for the last time */
            step_unit(layer, i, u + t * MODEL_UNITS, &c[i], x + t * MODEL_WIDEST + i);
        }
}
#endif
