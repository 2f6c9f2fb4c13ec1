#include "contract.h"
#include "tables.h"

int32_t model_sigmoid(int32_t code)
{
    const uint32_t size = (uint32_t)(code < 0 ? -code : code);
    uint32_t knot, below, rise, value;
    if (size >= 64u * 128u)
        return code < 0 ? 0 : MODEL_GATE_ONE;
    knot = size / 128u;
    below = (uint32_t)model_knots[knot];
    rise = ((uint32_t)model_knots[knot + 1] - below) * (size % 128u);
    value = below + (rise + 63u + rise / 128u % 2u) / 128u; /* half to even */
    return code < 0 ? MODEL_GATE_ONE - (int32_t)value : (int32_t)value;
}
