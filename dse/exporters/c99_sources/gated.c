/* The input matvecs run forward in time for both directions, which share all matrices: the forward direction uses the
 * preactivations at once, and they are kept for the backward one. */
#include "gated.h"
#include "model_data.h"

enum { HIDDEN = MODEL_HIDDEN };

static int16_t *take(Memory *memory, size_t count)
{
    return (int16_t *)memory_take(memory, sizeof(int16_t) * count);
}

static void start(const Layer *layer, const GatedState *state)
{
    size_t i;
    readers_start(&layer->recurrent, &state->recurrent);
    readers_start(&layer->candidate, &state->candidate);
    for (i = 0; i < HIDDEN; ++i) {
        state->h[i] = 0;
        if (gated_has & GATED_HAS_CELL) {
            state->c[i] = 0;
        }
    }
}

static void put(int16_t *y, const int16_t *h)
{
    size_t i;
    for (i = 0; i < HIDDEN; ++i) {
        y[i] = h[i];
    }
}

void layer_run(const Layer *layer, const int16_t *x, size_t frames, int16_t *y, Memory memory, uint64_t *sent)
{
    const uint32_t rows = readers_rows(&layer->inputs), cols = model_matvecs[layer->inputs.first].cols;
    ReadersState inputs = readers_open(&layer->inputs, &memory);
    GatedState state = {{{{NULL, NULL}}, NULL}, {{{NULL, NULL}}, NULL}, NULL, NULL, NULL, NULL};
    int16_t *kept;
    size_t t;
    state.recurrent = readers_open(&layer->recurrent, &memory);
    if (layer->candidate.count != 0) {
        state.candidate = readers_open(&layer->candidate, &memory);
    }
    state.back = take(&memory, rows);
    state.h = take(&memory, HIDDEN);
    state.c = gated_has & GATED_HAS_CELL ? take(&memory, HIDDEN) : NULL;
    state.reset = gated_has & GATED_HAS_RESET ? take(&memory, HIDDEN) : NULL;
    kept = take(&memory, frames * rows);
    readers_start(&layer->inputs, &inputs);
    start(layer, &state);
    for (t = 0; t < frames; ++t) {
        readers_step(&layer->inputs, &inputs, x + t * cols, kept + t * rows, sent);
        gated_step(layer, kept + t * rows, &state, sent);
        put(y + t * 2 * HIDDEN, state.h);
    }
    start(layer, &state);
    for (t = frames; t-- > 0;) {
        gated_step(layer, kept + t * rows, &state, sent);
        put(y + t * 2 * HIDDEN + HIDDEN, state.h);
    }
}
