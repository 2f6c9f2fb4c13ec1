/* @TITLE@
 *
 * Written by `python -m dse.export`; gives the codes that the evaluation of this configuration gave, bit for bit.
 *
 * How to use it
 *     float features[T][MODEL_FEATURES];  ...  int16_t logits[T][MODEL_OUTPUTS];
 *     static uint64_t memory[MODEL_BYTES(MOST_FRAMES) / 8 + 1];
 *     model_run(&features[0][0], T, memory, sizeof memory, &logits[0][0], NULL);
 * The network is bidirectional: it needs a whole utterance, in memory that the caller gives. Nothing is allocated,
 * nothing is static, so that utterances may run side by side. There is no streaming network yet, since none runs forward
 * in time only; what does so in this one, the input matvecs, runs frame by frame through matvec_step (matvec.h), which a
 * streaming network would be built of.
@DECODER_USE@ *
 * Features are float32. One beyond the grid saturates, infinities too, and one that is not a number is read as 0 in the
 * network's normalised units, as the evaluator does. Logits are codes in steps of 2^-MODEL_LOGIT_BITS.
 *
 * Build with -std=c99 -ffp-contract=off, never with -ffast-math; fixed.h says why and refuses what it can. `make` builds
 * the library and main, `make check` with all warnings as errors, `make asan` with sanitizers, `make arm` for a
 * Cortex-M4. -DDENSE multiplies every column at each frame, with the same results: for benchmarks.
 *
@TABLE@ */
#ifndef MODEL_H
#define MODEL_H

#include <stddef.h>
#include <stdint.h>

@SIZES@
/* Bytes of memory that an utterance of so many frames needs: a constant for an array, or, for any number, model_bytes;
 * 0 where they are more than a size_t holds. */
#define MODEL_BYTES(frames) (MODEL_STATE_BYTES + (size_t)(frames) * MODEL_FRAME_BYTES)
size_t model_bytes(size_t frames);

typedef enum {
    MODEL_DONE,
    MODEL_NO_MEMORY /* less than model_bytes, or not aligned to 8 bytes; nothing was computed */
} ModelResult;

/* What a run may tell besides; any part may be null. */
typedef struct {
    /* After each layer: its output [frames, 2 MODEL_HIDDEN] in codes. */
    void (*layer)(void *context, uint32_t layer, const int16_t *codes, size_t frames);
    void *context;
    uint64_t *sent; /* [MODEL_MATVECS] elements that each matvec's delta gate sent are added */
} ModelObserver;

/* Run an utterance: features [frames, MODEL_FEATURES], any number of frames, to logits [frames, MODEL_OUTPUTS]. */
ModelResult model_run(
    const float *features, size_t frames, void *memory, size_t bytes, int16_t *logits, const ModelObserver *observer);

#if MODEL_HAS_DECODER
/* Decode logits to phones [frames / 3 at most], numbers of the 48 set, in memory of decoder_bytes(frames). Returns how
 * many; 0 for less than 3 frames or too little memory. */
#define DECODER_BYTES(frames) (DECODER_STATE_BYTES + (size_t)(frames) * MODEL_PHONES + 7u)
size_t decoder_bytes(size_t frames);
size_t decoder_run(const int16_t *logits, size_t frames, void *memory, size_t bytes, uint8_t *phones);
#endif

#endif
