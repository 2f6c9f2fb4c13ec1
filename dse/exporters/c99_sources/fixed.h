/* Arithmetic of the 16-bit fixed-point grid: one float32 operation, saturated and rounded half to even to a code. */
#ifndef FIXED_H
#define FIXED_H

#include <float.h>
#include <stdint.h>

/* The evaluator rounds after every operation, to float32. A fused multiply-add, a wider intermediate result or
 * reassociated operations would round once where it rounds twice, and codes would differ. */
#ifdef __FAST_MATH__
#error "build without -ffast-math: it reorders float operations, and removes the rounding to the grid"
#endif
#if !defined(FLT_EVAL_METHOD) || FLT_EVAL_METHOD != 0
#error "float operations must be evaluated in float (FLT_EVAL_METHOD 0): wider ones round once in place of twice"
#endif
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__) && !defined(__STRICT_ANSI__) && !defined(FP_CONTRACT_IS_OFF)
#error "build with -std=c99 (or -ffp-contract=off -DFP_CONTRACT_IS_OFF): a fused multiply-add rounds once, not twice"
#endif

typedef char fixed_needs_ieee_float32[(FLT_RADIX == 2 && FLT_MANT_DIG == 24 && FLT_MAX_EXP == 128) ? 1 : -1];

enum { FIXED_LOW = -32768, FIXED_HIGH = 32767 };

/* Rounded half to even, by a float that leaves no fraction bits; good for magnitudes below 2^22. */
static inline int32_t fixed_round(float x)
{
    const float whole = 12582912.0f; /* 1.5 * 2^23 */
    return (int32_t)((x + whole) - whole);
}

/* Code of x in steps of the grid, which is no NaN. */
static inline int32_t fixed_grid(float x)
{
    if (x < (float)FIXED_LOW) {
        return FIXED_LOW;
    }
    return x > (float)FIXED_HIGH ? FIXED_HIGH : fixed_round(x);
}

static inline int32_t fixed_clip(int32_t code)
{
    if (code < FIXED_LOW) {
        return FIXED_LOW;
    }
    return code > FIXED_HIGH ? FIXED_HIGH : code;
}

/* Product of two codes, one step of which is `step` steps of the result's grid. */
static inline int32_t fixed_product(int32_t a, int32_t b, float step)
{
    const float product = (float)a * (float)b;
    return fixed_grid(product * step);
}

#define FIXED_GATE_ONE 16384         /* 1 on the grid of a gate's values, 2^-14 */
#define FIXED_GATE_STEP 0x1.0p-14f

/* gate * state + (1 - gate) * candidate, all but the gate on one grid. */
static inline int32_t fixed_blend(int32_t gate, int32_t candidate, int32_t state)
{
    return fixed_clip(candidate + fixed_product(gate, fixed_clip(state - candidate), FIXED_GATE_STEP));
}

#endif
