/* GRU, gates z, r: h = tanh(g) blended with h by z; the candidate g reads r h, or r acts on what it reads from h. */
#include "fixed.h"
#include "gated.h"
#include "model_data.h"
#include "sigmoid.h"

enum { HIDDEN = MODEL_HIDDEN };
const int gated_has = GATED_HAS_RESET;

void gated_step(const Layer *layer, const int16_t *pre, const GatedState *state, uint64_t *sent)
{
    int16_t *back = state->back, *reset = state->reset;
    size_t i;
    readers_step(&layer->recurrent, &state->recurrent, state->h, back, sent);
    for (i = 0; i < HIDDEN; ++i) {
        const int32_t r = sigmoid(fixed_clip(pre[HIDDEN + i] + back[HIDDEN + i]));
        reset[i] = (int16_t)(layer->reset_after ? r : fixed_product(r, state->h[i], FIXED_GATE_STEP));
    }
    readers_step(
        &layer->candidate, &state->candidate, layer->reset_after ? state->h : reset, back + 2 * HIDDEN, sent);
    for (i = 0; i < HIDDEN; ++i) {
        const int32_t z = sigmoid(fixed_clip(pre[i] + back[i]));
        const int32_t product = back[2 * HIDDEN + i];
        const int32_t added = layer->reset_after ? fixed_product(reset[i], product, FIXED_GATE_STEP) : product;
        const int32_t squashed = sigmoid_tanh(fixed_clip(pre[2 * HIDDEN + i] + added));
        const int32_t candidate = fixed_grid((float)squashed * layer->candidate_scale);
        const int32_t state_code = fixed_grid((float)candidate * layer->gate_to_state);
        state->h[i] = (int16_t)fixed_blend(z, state_code, state->h[i]);
    }
}
