/* A layer of an LSTM, GRU or LiGRU: input matvecs of all frames, then the steps of each direction. */
#include "model.h"
#include "contract.h"
#include "gated.h"

static void run_direction(const struct model_gated *layer, int backward, int16_t *x, const int16_t *u, size_t frames,
                          unsigned char *state, struct model_sent *list, uint64_t *sent)
{
    struct model_cell cell;
    size_t step, i;
    cell.h = (int16_t *)(void *)model_take(&state, MODEL_HIDDEN * sizeof(int16_t));
    cell.other = (int16_t *)(void *)model_take(&state, MODEL_HIDDEN * sizeof(int16_t));
    cell.back = (int16_t *)(void *)model_take(&state, MODEL_GATES * MODEL_HIDDEN * sizeof(int16_t));
    model_stream_open(&cell.gates, layer->gates, &state, list);
    model_stream_open(&cell.candidate, layer->candidate, &state, list);
    for (i = 0; i < MODEL_HIDDEN; i++)
        cell.h[i] = cell.other[i] = 0;
    for (step = 0; step < frames; step++) {
        const size_t t = backward ? frames - 1 - step : step;
        int16_t *const out = x + t * MODEL_WIDEST + (backward ? MODEL_HIDDEN : 0);
        model_cell_step(layer, &cell, u + t * MODEL_UNITS);
        for (i = 0; i < MODEL_HIDDEN; i++)
            out[i] = cell.h[i];
    }
    model_stream_count(&cell.gates, sent);
    model_stream_count(&cell.candidate, sent);
}

void model_layer(unsigned number, int16_t *x, int16_t *u, size_t frames, unsigned char *state, uint64_t *sent)
{
    const struct model_gated *const layer = &model_layers[number];
    struct model_sent *const list =
        (struct model_sent *)(void *)model_take(&state, MODEL_MOST_COLS * sizeof(struct model_sent));
    unsigned char *room = state;
    struct model_stream inputs;
    size_t t;
    model_stream_open(&inputs, layer->inputs, &room, list);
    for (t = 0; t < frames; t++)
        model_stream_step(&inputs, x + t * MODEL_WIDEST, u + t * MODEL_UNITS);
    model_stream_count(&inputs, sent);
    /* x is not read again: the output replaces it. */
    run_direction(layer, 0, x, u, frames, state, list, sent);
    run_direction(layer, 1, x, u, frames, state, list, sent);
}
