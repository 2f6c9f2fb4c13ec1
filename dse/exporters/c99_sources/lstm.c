/* A step of an LSTM: gates f, i, o, g. */
#include "model.h"
#include "contract.h"
#include "gated.h"

void model_cell_step(const struct model_gated *layer, struct model_cell *cell, const int16_t *pre)
{
    const int16_t *const back = cell->back;
    size_t i, k;
    model_stream_step(&cell->gates, cell->h, cell->back);
    for (i = 0; i < MODEL_HIDDEN; i++) {
        int32_t gates[4];
        float kept, candidate, c, squashed;
        for (k = 0; k < 4; k++)
            gates[k] = model_add(pre[k * MODEL_HIDDEN + i], back[k * MODEL_HIDDEN + i]);
        candidate = model_grid((float)model_tanh(gates[3]) * layer->candidate_scale);
        kept = model_grid((float)model_sigmoid(gates[0]) * (float)cell->other[i] * MODEL_GATE_STEP);
        c = model_clip(kept + model_grid((float)model_sigmoid(gates[1]) * candidate * layer->to_cell));
        squashed = (float)model_tanh((int32_t)model_grid(c * layer->to_pre));
        cell->other[i] = (int16_t)c;
        cell->h[i] = (int16_t)model_grid((float)model_sigmoid(gates[2]) * squashed * layer->to_state);
    }
}
