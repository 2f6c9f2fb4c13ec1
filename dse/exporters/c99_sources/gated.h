#ifndef MODEL_GATED_H
#define MODEL_GATED_H

#include "tables.h"

extern const struct model_gated model_layers[]; /* MODEL_SETS for each layer */

/* One direction of a layer of an LSTM, GRU or LiGRU. */
struct model_cell {
    struct model_stream gates, candidate;
    int16_t *h;     /* [MODEL_HIDDEN] the state */
    int16_t *other; /* [MODEL_HIDDEN] an LSTM's cell state, a GRU's r h */
    int16_t *back;  /* [MODEL_GATES * MODEL_HIDDEN] recurrent results, gate by gate */
};

/* Bring h one frame on; pre [MODEL_GATES * MODEL_HIDDEN] are the frame's preactivations. */
void model_cell_step(const struct model_gated *layer, struct model_cell *cell, const int16_t *pre);

#endif
