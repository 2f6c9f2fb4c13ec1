/* LiGRU, gates z, g: h = the rectified g blended with h by z */
#include "fixed.h"
#include "gated.h"
#include "model_data.h"
#include "sigmoid.h"

enum { HIDDEN = MODEL_HIDDEN };
const int gated_has = 0;

void gated_step(const Layer *layer, const int16_t *pre, const GatedState *state, uint64_t *sent)
{
    const int16_t *back = state->back;
    size_t i;
    readers_step(&layer->recurrent, &state->recurrent, state->h, state->back, sent);
    for (i = 0; i < HIDDEN; ++i) {
        const int32_t z = sigmoid(fixed_clip(pre[i] + back[i]));
        const int32_t g = fixed_clip(pre[HIDDEN + i] + back[HIDDEN + i]);
        const int32_t candidate = fixed_grid((float)(g > 0 ? g : 0) * layer->candidate_scale);
        const int32_t state_code = fixed_grid((float)candidate * layer->candidate_to_state);
        state->h[i] = (int16_t)fixed_blend(z, state_code, state->h[i]);
    }
}
