/* LSTM, gates f, i, o, g: c = f c + i tanh(g), h = o tanh(c) */
#include "fixed.h"
#include "gated.h"
#include "model_data.h"
#include "sigmoid.h"

enum { HIDDEN = MODEL_HIDDEN };
const int gated_has = GATED_HAS_CELL;

void gated_step(const Layer *layer, const int16_t *pre, const GatedState *state, uint64_t *sent)
{
    const int16_t *back = state->back;
    size_t i;
    readers_step(&layer->recurrent, &state->recurrent, state->h, state->back, sent);
    for (i = 0; i < HIDDEN; ++i) {
        const int32_t forget = sigmoid(fixed_clip(pre[i] + back[i]));
        const int32_t input = sigmoid(fixed_clip(pre[HIDDEN + i] + back[HIDDEN + i]));
        const int32_t output = sigmoid(fixed_clip(pre[2 * HIDDEN + i] + back[2 * HIDDEN + i]));
        const int32_t squashed = sigmoid_tanh(fixed_clip(pre[3 * HIDDEN + i] + back[3 * HIDDEN + i]));
        const int32_t candidate = fixed_grid((float)squashed * layer->candidate_scale);
        const int32_t kept = fixed_product(forget, state->c[i], FIXED_GATE_STEP);
        const int32_t c = fixed_clip(kept + fixed_product(input, candidate, layer->cell_step));
        const int32_t seen = sigmoid_tanh(fixed_grid((float)c * layer->cell_to_pre));
        state->c[i] = (int16_t)c;
        state->h[i] = (int16_t)fixed_product(output, seen, layer->state_step);
    }
}
