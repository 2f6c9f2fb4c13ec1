/* SRU:
 *     u = input(projection(x))
 *     f, r = sigmoid(u_gate + v_gate c)
 *     c = u0 blended with c by f, h = highway blended with c by r
 * The input matvec runs forward in time for both directions: the forward one uses its blocks at once, those of the
 * backward one are kept for a second run over the frames.
 */
#include "sru.h"
#include "fixed.h"
#include "model_data.h"
#include "sigmoid.h"

enum { HIDDEN = MODEL_HIDDEN, WIDTH = 2 * MODEL_HIDDEN };

/* One frame of one direction: u in blocks that are `apart`, x the direction's part of the input. */
static void step(
    const Layer *layer, const int16_t *u, size_t apart, int has_highway, const int16_t *x, const int16_t *v,
    int16_t *c, int16_t *h)
{
    size_t i;
    for (i = 0; i < HIDDEN; ++i) {
        const int32_t before = c[i];
        const int32_t forget = fixed_clip(u[apart + i] + fixed_product(v[i], before, layer->v_scale));
        const int32_t reset = fixed_clip(u[2 * apart + i] + fixed_product(v[WIDTH + i], before, layer->v_scale));
        const int32_t highway = has_highway ? u[3 * apart + i] : fixed_grid((float)x[i] * layer->x_scale);
        const int32_t after = fixed_blend(sigmoid(forget), u[i], before);
        c[i] = (int16_t)after;
        h[i] = (int16_t)fixed_blend(sigmoid(reset), highway, after);
    }
}

static void clear(int16_t *c)
{
    size_t i;
    for (i = 0; i < HIDDEN; ++i) {
        c[i] = 0;
    }
}

void layer_run(const Layer *layer, const int16_t *x, size_t frames, int16_t *y, Memory memory, uint64_t *sent)
{
    const uint32_t rows = readers_rows(&layer->input), parts = rows / WIDTH;
    const int is_projected = layer->projection.count != 0, has_highway = parts == 4;
    const uint32_t cols = model_matvecs[is_projected ? layer->projection.first : layer->input.first].cols;
    ReadersState input = readers_open(&layer->input, &memory), projection = {{{NULL, NULL}}, NULL};
    int16_t *u = (int16_t *)memory_take(&memory, sizeof(int16_t) * rows);
    int16_t *c = (int16_t *)memory_take(&memory, sizeof(int16_t) * HIDDEN);
    int16_t *projected = NULL, *kept, *back;
    size_t t, i;
    uint32_t part;
    if (is_projected) {
        projection = readers_open(&layer->projection, &memory);
        projected = (int16_t *)memory_take(&memory, sizeof(int16_t) * readers_rows(&layer->projection));
        readers_start(&layer->projection, &projection);
    }
    readers_start(&layer->input, &input);
    kept = (int16_t *)memory_take(&memory, sizeof(int16_t) * frames * parts * HIDDEN);
    back = kept;
    clear(c);
    for (t = 0; t < frames; ++t) {
        const int16_t *frame = x + t * cols;
        if (is_projected) {
            readers_step(&layer->projection, &projection, frame, projected, sent);
        }
        readers_step(&layer->input, &input, is_projected ? projected : frame, u, sent);
        step(layer, u, WIDTH, has_highway, frame, layer->v, c, y + t * WIDTH);
        for (part = 0; part < parts; ++part) {
            for (i = 0; i < HIDDEN; ++i) {
                *back++ = u[part * WIDTH + HIDDEN + i];
            }
        }
    }
    clear(c);
    for (t = frames; t-- > 0;) {
        const int16_t *own = has_highway ? NULL : x + t * cols + HIDDEN;
        step(
            layer, kept + t * parts * HIDDEN, HIDDEN, has_highway, own, layer->v + HIDDEN, c, y + t * WIDTH + HIDDEN);
    }
}
