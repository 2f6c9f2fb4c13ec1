#ifndef SRU_H
#define SRU_H

#include "layer.h"
#include "matvec.h"

struct Layer {
    Readers projection; /* of no matvec where the layer has none */
    Readers input;      /* blocks candidate, forget, reset (, highway), each both directions side by side */
    const int16_t *v;   /* [2, 2 hidden] forget, reset */
    float v_scale;      /* a code of v times a state code, in preactivation steps */
    float x_scale;      /* of the input, which is the highway where the matvec computes none */
};

#endif
