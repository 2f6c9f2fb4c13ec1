/* Matrix-vector products with delta gates.
 *
 * A vector's element is sent only when it moved by more than `delta` steps since it was last sent. The sums are kept
 * from one vector to the next, and only the columns of sent elements are multiplied: sums += column * (v - held). Sums
 * of integers are exact, so this equals the product of the held vector, and what is not sent costs no instructions.
 */
#ifndef MATVEC_H
#define MATVEC_H

#include <stddef.h>
#include <stdint.h>
#include "memory.h"

typedef struct {
    const void *weights;     /* column after column: int16_t, int8_t or codes of 2 to 7 bits in bytes, lowest bit first */
    const int8_t *multiples; /* [rows] a row's scale in steps of the matrix; null where all are 1 */
    const int16_t *bias;     /* [bias_rows] of the rows from bias_first on; the others have none */
    const float *powers;     /* [rows / part_rows] 2^(result bits - input bits) of each part of the rows */
    float step;              /* of the weights */
    float divisor;           /* a step of v in steps of the input's grid */
    int32_t delta;           /* threshold of the delta gate in steps of v */
    uint32_t rows, cols, part_rows, bias_first, bias_rows;
    uint8_t weight_bits;
    uint8_t act_bits;
    uint8_t zero;  /* zero point + 127, in steps of v, or in quarters of a step where act_bits <= 4 */
    uint8_t wide;  /* the sums need int64_t; else they are int32_t */
    uint8_t back;  /* how many matvecs before this one stands that whose delta gate it shares; 0: it has its own */
} MatVec;

typedef struct {
    uint32_t col;
    int32_t move;
} MatVecMove;

/* Of one matvec: the elements that were sent last, and the sums. */
typedef struct {
    int16_t *held;
    void *sums;
} MatVecState;

/* One product a call, for what runs forward in time. `moves` is room for `cols` moves, which calls may share. Start,
 * then step with each vector x [cols] of codes: y [rows] gets the result with its bias. Returns how many elements were
 * sent. Bytes of a state without its moves: matvec_bytes. */
size_t matvec_bytes(const MatVec *matvec);
MatVecState matvec_open(const MatVec *matvec, Memory *memory);
void matvec_start(const MatVec *matvec, const MatVecState *state, MatVecMove *moves);
size_t matvec_step(const MatVec *matvec, const MatVecState *state, const int16_t *x, int16_t *y, MatVecMove *moves);

/* Matvecs first, first + 1, ... of the model, which read one vector. Where their quantizers and thresholds agree they
 * share a delta gate. */
typedef struct {
    uint32_t first, count;
} Readers;

enum { READERS_MOST = 4 };

typedef struct {
    MatVecState states[READERS_MOST];
    MatVecMove *moves;
} ReadersState;

uint32_t readers_rows(const Readers *readers);
ReadersState readers_open(const Readers *readers, Memory *memory);
void readers_start(const Readers *readers, const ReadersState *state);

/* y [rows of all]: results side by side. Counts of sent elements are added to sent [matvecs of the model]. */
void readers_step(const Readers *readers, const ReadersState *state, const int16_t *x, int16_t *y, uint64_t *sent);

#endif
