/* The arithmetic that every result depends on, and what it asks of the compiler.
 *
 * Each step is one IEEE float32 operation, then rounded half to even to a 16-bit grid and saturated. */
#ifndef MODEL_CONTRACT_H
#define MODEL_CONTRACT_H

#include <float.h>
#include <stdint.h>

#ifdef __FAST_MATH__
#error "-ffast-math may reorder, fuse and drop the roundings that make results the same on every machine"
#endif
#if FLT_EVAL_METHOD != 0
#error "float operations of excess precision round once where the contract rounds twice: use SSE or a float32 unit"
#endif
#if FLT_RADIX != 2 || FLT_MANT_DIG != 24 || FLT_MAX_EXP != 128
#error "float must be IEEE binary32"
#endif
/* A fused multiply-add rounds once where the contract rounds twice. gcc fuses by default unless ISO C is asked for. */
#if defined(__GNUC__) && !defined(__clang__) && !defined(__STRICT_ANSI__) && !defined(MODEL_NOT_FUSED)
#error "compile with -std=c99 -ffp-contract=off; with -std=gnu* and -ffp-contract=off, define MODEL_NOT_FUSED as well"
#endif
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif
typedef char model_float_has_32_bits[sizeof(float) == 4 ? 1 : -1];

/* Adding 1.5 * 2^23 leaves a float32 no fraction bits, so the addition itself rounds, half to even; taking it off again
 * is exact. Good for magnitudes below 2^22, so saturate first. */
#define MODEL_ROUNDER 12582912.0f

#define MODEL_GATE_ONE 16384      /* 1 on the grid of gates */
#define MODEL_GATE_STEP 0x1p-14f

static inline float model_clip(float x)
{
    return x < -32768.0f ? -32768.0f : x > 32767.0f ? 32767.0f : x;
}

/* Saturated and rounded half to even, as a whole float. x is no NaN. */
static inline float model_grid(float x)
{
    return (model_clip(x) + MODEL_ROUNDER) - MODEL_ROUNDER;
}

/* The sum of two codes, saturated. */
static inline int32_t model_add(int32_t a, int32_t b)
{
    const int32_t sum = a + b;
    return sum < -32768 ? -32768 : sum > 32767 ? 32767 : sum;
}

/* gate * state + (1 - gate) * candidate, both on one grid, with one product. */
static inline float model_blend(float gate, float candidate, float state)
{
    return model_clip(candidate + model_grid(gate * model_clip(state - candidate) * MODEL_GATE_STEP));
}

/* sigmoid of a preactivation on 2^-10, on 2^-14: lines between 65 knots, in integers. */
int32_t model_sigmoid(int32_t code);

/* tanh of a preactivation on 2^-10, on 2^-14: 2 sigmoid(2 x) - 1. */
static inline int32_t model_tanh(int32_t code)
{
    return 2 * model_sigmoid(2 * code) - MODEL_GATE_ONE;
}

#endif
