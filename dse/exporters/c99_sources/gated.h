/* Layers of LSTM, GRU and LiGRU: what they share. A cell's file brings gated_step. */
#ifndef GATED_H
#define GATED_H

#include "layer.h"
#include "matvec.h"

struct Layer {
    Readers inputs;    /* gate by gate, the candidate last */
    Readers recurrent; /* those that read h; of a GRU its gates only */
    Readers candidate; /* of a GRU; of no matvec else */
    float candidate_scale;
    float cell_step;          /* a product of two gate codes, in steps of the cell's grid */
    float cell_to_pre;        /* a cell code in preactivation steps */
    float state_step;         /* a product of two gate codes, in steps of the state's grid */
    float gate_to_state;      /* a gate code in steps of the state's grid */
    float candidate_to_state; /* a code of a rectified candidate in steps of the state's grid */
    uint8_t reset_after;      /* a GRU's reset gate acts after the product and its bias */
};

/* One direction: states of the recurrent matvecs, their results, and the state of the cell. */
typedef struct {
    ReadersState recurrent, candidate;
    int16_t *back;   /* [gates, hidden] results of the recurrent matvecs, the candidate last */
    int16_t *h, *c;  /* [hidden] */
    int16_t *reset;  /* [hidden] of a GRU: r, then r h */
} GatedState;

/* Bytes of c and reset are taken only where the cell has them. */
enum { GATED_HAS_CELL = 1, GATED_HAS_RESET = 2 };
extern const int gated_has;

/* One step from the preactivations [gates, hidden]; counts of sent elements are added to sent. */
void gated_step(const Layer *layer, const int16_t *pre, const GatedState *state, uint64_t *sent);

#endif
