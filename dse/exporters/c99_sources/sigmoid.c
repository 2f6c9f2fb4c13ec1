#include "sigmoid.h"
#include "fixed.h"
#include "model_data.h"

/* Straight lines between knots at multiples of 1/8, which are 128 codes apart; from 8 on it is 1. */
int32_t sigmoid(int32_t code)
{
    const uint32_t last = MODEL_KNOTS - 1;
    uint32_t size = code < 0 ? (uint32_t)-code : (uint32_t)code;
    uint32_t knot, rise;
    int32_t value;
    if (size > last * 128) {
        size = last * 128;
    }
    knot = size / 128 < last ? size / 128 : last - 1;
    rise = (uint32_t)(model_knots[knot + 1] - model_knots[knot]) * (size - knot * 128);
    value = model_knots[knot] + (int32_t)((rise + 63 + ((rise >> 7) & 1)) >> 7); /* half to even */
    return code < 0 ? FIXED_GATE_ONE - value : value;
}

int32_t sigmoid_tanh(int32_t code)
{
    return 2 * sigmoid(2 * code) - FIXED_GATE_ONE;
}
