/* The constant tables of model_data.c. Their layout has no padding and no pointers: as many bytes on every machine. */
#ifndef MODEL_TABLES_H
#define MODEL_TABLES_H

#include "model.h"

#define MODEL_NONE 0xFFFFu

struct model_matvec {
    uint32_t weights;                 /* first byte in model_weights: columns, packed without padding */
    uint32_t multiples;               /* first in model_multiples; where has_multiples is 0, all are 1 */
    uint32_t bias;                    /* first in model_vectors, of row bias_from */
    int32_t delta;                    /* threshold of the delta gate, in steps of the quantized vector */
    uint16_t rows, cols;
    uint16_t bias_from, bias_end;     /* rows that have a bias */
    uint16_t weight_step, act_step;   /* in model_steps, or MODEL_NONE: 1 */
    uint16_t zero;                    /* in model_zeros, or MODEL_NONE: 0 */
    uint16_t power;                   /* first in model_powers */
    uint8_t weight_bits, act_bits;
    uint8_t sum_bytes;                /* of a row's sum: 4, or 8 where 4 could overflow */
    uint8_t has_multiples;
};

/* Rows up to `end` have their scale times this power of two. */
struct model_power {
    uint32_t end;
    float power;
};

/* Matvecs that read one vector through one quantizer and one delta gate. */
struct model_reader {
    uint16_t first, count;
};

/* A layer of an SRU; all directions side by side. */
struct model_sru {
    struct model_readers projection;  /* none: count is 0 */
    struct model_readers input;       /* candidate, forget, reset (, highway) */
    uint32_t v;                       /* first in model_vectors: forget, then reset */
    float v_scale;                    /* a code of v times a state code, in preactivation steps */
    float x_scale;                    /* alpha: an input code in state steps, where the highway is not computed */
    uint32_t has_highway;
};

/* A set of matrices of a layer of an LSTM, GRU or LiGRU: MODEL_SETS a layer, two where each direction has its own. */
struct model_gated {
    struct model_readers inputs;      /* gate by gate, the candidate last; those of all sets are the first one's */
    struct model_readers gates;       /* recurrent, of h */
    struct model_readers candidate;   /* recurrent, of r h or h: GRU only */
    float candidate_scale;
    float to_state;                   /* a product of two gates, a gate or a candidate in state steps */
    float to_cell;                    /* a product of two gates in cell steps: LSTM only */
    float to_pre;                     /* a cell code in preactivation steps: LSTM only */
};

/* Add the listed columns, each times its change, to the sums [rows] of a matvec. */
void model_add_columns(const struct model_matvec *m, void *sums, const struct model_sent *list, uint32_t count);

extern const uint8_t model_weights[];
extern const int8_t model_multiples[];
extern const float model_steps[];
extern const int8_t model_zeros[];    /* zero points, negated: whole above 4 activation bits, else in quarters */
extern const int16_t model_vectors[];
extern const struct model_matvec model_matvecs[];
extern const struct model_power model_powers[];
extern const struct model_reader model_reader_table[];
extern const int16_t model_knots[];
extern const float model_means[];
extern const float model_stds[];
extern const float model_enter[];     /* [49][48] log probability of a phone after a phone, 48: first of all */
extern const float model_priors[];    /* [144] what is added to a scaled logit: target = 3 * phone + state */

#endif
