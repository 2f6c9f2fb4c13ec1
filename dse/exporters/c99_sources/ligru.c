/* A step of a LiGRU: gates z, h; the candidate is rectified. */
#include "model.h"
#include "contract.h"
#include "gated.h"

void model_cell_step(const struct model_gated *layer, struct model_cell *cell, const int16_t *pre)
{
    const int16_t *const back = cell->back;
    size_t i;
    model_stream_step(&cell->gates, cell->h, cell->back);
    for (i = 0; i < MODEL_HIDDEN; i++) {
        const float z = (float)model_sigmoid(model_add(pre[i], back[i]));
        const int32_t sum = model_add(pre[MODEL_HIDDEN + i], back[MODEL_HIDDEN + i]);
        const float candidate = model_grid((float)(sum > 0 ? sum : 0) * layer->candidate_scale);
        cell->h[i] = (int16_t)model_blend(z, model_grid(candidate * layer->to_state), (float)cell->h[i]);
    }
}
