/* A step of a GRU: gates z, r, then the candidate, which reads r h, or h where r acts after the product. */
#include "model.h"
#include "contract.h"
#include "gated.h"

void model_cell_step(const struct model_gated *layer, struct model_cell *cell, const int16_t *pre)
{
    int16_t *const z = cell->back, *const r = z + MODEL_HIDDEN, *const product = r + MODEL_HIDDEN;
    size_t i;
    model_stream_step(&cell->gates, cell->h, cell->back);
    for (i = 0; i < MODEL_HIDDEN; i++) {
        z[i] = (int16_t)model_sigmoid(model_add(pre[i], z[i]));
        r[i] = (int16_t)model_sigmoid(model_add(pre[MODEL_HIDDEN + i], r[i]));
        cell->other[i] = (int16_t)model_grid((float)r[i] * (float)cell->h[i] * MODEL_GATE_STEP);
    }
    model_stream_step(&cell->candidate, MODEL_RESET_AFTER ? cell->h : cell->other, product);
    for (i = 0; i < MODEL_HIDDEN; i++) {
        const float reset = model_grid((float)r[i] * (float)product[i] * MODEL_GATE_STEP);
        const int32_t back = MODEL_RESET_AFTER ? (int32_t)reset : product[i];
        const float squashed = (float)model_tanh(model_add(pre[2 * MODEL_HIDDEN + i], back));
        const float candidate = model_grid(model_grid(squashed * layer->candidate_scale) * layer->to_state);
        cell->h[i] = (int16_t)model_blend((float)z[i], candidate, (float)cell->h[i]);
    }
}
