/* A layer of an LSTM, GRU or LiGRU. Both ways: input matvecs of all frames, then the steps of each direction. Forward in
 * time only: frame by frame. */
#include "model.h"
#include "contract.h"
#include "gated.h"

static void place_cell(struct model_cell *cell, const struct model_gated *layer, int16_t *back, unsigned char **state,
                       struct model_sent *list)
{
    cell->back = back;
    cell->h = (int16_t *)(void *)model_take(state, MODEL_HIDDEN * sizeof(int16_t));
    cell->other = (int16_t *)(void *)model_take(state, MODEL_HIDDEN * sizeof(int16_t));
    model_stream_place(&cell->gates, layer->gates, state, list);
    model_stream_place(&cell->candidate, layer->candidate, state, list);
}

static void start_cell(struct model_cell *cell)
{
    size_t i;
    for (i = 0; i < MODEL_HIDDEN; i++)
        cell->h[i] = cell->other[i] = 0;
    model_stream_start(&cell->gates);
    model_stream_start(&cell->candidate);
}

static void count_cell(const struct model_cell *cell, uint64_t *sent)
{
    model_stream_count(&cell->gates, sent);
    model_stream_count(&cell->candidate, sent);
}

static void write_out(const struct model_cell *cell, int16_t *out)
{
    size_t i;
    for (i = 0; i < MODEL_HIDDEN; i++)
        out[i] = cell->h[i];
}

#if MODEL_FORWARD
static void place_layer(struct model_stream *inputs, struct model_cell *cell, const struct model_gated *layer, int16_t *back,
                        unsigned char **state, struct model_sent *list)
{
    model_stream_place(inputs, layer->inputs, state, list);
    place_cell(cell, layer, back, state, list);
}

void model_layer_start(unsigned number, unsigned char **state, struct model_sent *list)
{
    struct model_stream inputs;
    struct model_cell cell;
    place_layer(&inputs, &cell, &model_layers[number], 0, state, list);
    model_stream_start(&inputs);
    start_cell(&cell);
}

void model_layer_step(unsigned number, int16_t *x, int16_t *u, unsigned char **state, struct model_sent *list,
                      uint64_t *sent)
{
    const struct model_gated *const layer = &model_layers[number];
    struct model_stream inputs;
    struct model_cell cell;
    place_layer(&inputs, &cell, layer, u + MODEL_GATES * MODEL_HIDDEN, state, list);
    model_stream_step(&inputs, x, u);
    model_cell_step(layer, &cell, u);
    write_out(&cell, x);
    model_stream_count(&inputs, sent);
    count_cell(&cell, sent);
}
#else
static void run_direction(const struct model_gated *layer, int backward, int16_t *x, const int16_t *u, size_t frames,
                          unsigned char *state, struct model_sent *list, uint64_t *sent)
{
    int16_t *const back = (int16_t *)(void *)model_take(&state, MODEL_GATES * MODEL_HIDDEN * sizeof(int16_t));
    struct model_cell cell;
    size_t step;
    place_cell(&cell, layer, back, &state, list);
    start_cell(&cell);
    for (step = 0; step < frames; step++) {
        const size_t t = backward ? frames - 1 - step : step;
        model_cell_step(layer, &cell, u + t * MODEL_UNITS);
        write_out(&cell, x + t * MODEL_WIDEST + (backward ? MODEL_HIDDEN : 0));
    }
    count_cell(&cell, sent);
}

void model_layer(unsigned number, int16_t *x, int16_t *u, size_t frames, unsigned char *state, uint64_t *sent)
{
    const struct model_gated *const forward = &model_layers[number * MODEL_SETS];
    const unsigned other = MODEL_SETS - 1; /* the backward direction's set */
    struct model_sent *const list =
        (struct model_sent *)(void *)model_take(&state, MODEL_MOST_COLS * sizeof(struct model_sent));
    unsigned char *room = state;
    struct model_stream inputs;
    size_t t;
    model_stream_place(&inputs, forward->inputs, &room, list);
    model_stream_start(&inputs);
    for (t = 0; t < frames; t++)
        model_stream_step(&inputs, x + t * MODEL_WIDEST, u + t * MODEL_UNITS);
    model_stream_count(&inputs, sent);
    /* x is not read again: the output replaces it. */
    run_direction(forward, 0, x, u, frames, state, list, sent);
    run_direction(forward + other, 1, x, u + other * MODEL_GATES * MODEL_HIDDEN, frames, state, list, sent);
}
#endif
