/* Columns of weights, times the changes of what was sent, added to the sums of a matvec: a loop for each width. */
#include "model.h"
#include "contract.h"
#include "tables.h"

/* Sign bits of codes of 4 and 2 bits: with them flipped, a field holds its code plus 8 or 2, and is never negative. */
#define FLIP_4 0x88u
#define FLIP_2 0xAAu

/* Four columns at once, so that a sum is loaded and stored once for four products. */
static void add_8_bits(int32_t *restrict sums, const uint8_t *restrict weights, size_t rows, const struct model_sent *s,
                       uint32_t count)
{
    const int8_t *const codes = (const int8_t *)weights;
    size_t r;
    for (; count >= 4; count -= 4, s += 4) {
        const int8_t *const a = codes + s[0].column * rows, *const b = codes + s[1].column * rows;
        const int8_t *const c = codes + s[2].column * rows, *const d = codes + s[3].column * rows;
        const int32_t p = s[0].by, q = s[1].by, t = s[2].by, u = s[3].by;
        for (r = 0; r < rows; r++)
            sums[r] = sums[r] + a[r] * p + b[r] * q + c[r] * t + d[r] * u;
    }
    for (; count > 0; count--, s++) {
        const int8_t *const a = codes + s->column * rows;
        const int32_t p = s->by;
        for (r = 0; r < rows; r++)
            sums[r] += a[r] * p;
    }
}

/* rows is even. */
static void add_4_bits(int32_t *restrict sums, const uint8_t *restrict weights, size_t rows, const struct model_sent *s,
                       uint32_t count)
{
    const size_t bytes = rows / 2;
    size_t i;
    for (; count >= 2; count -= 2, s += 2) {
        const uint8_t *const a = weights + s[0].column * bytes, *const b = weights + s[1].column * bytes;
        const int32_t p = s[0].by, q = s[1].by, taken = 8 * (p + q);
        for (i = 0; i < bytes; i++) {
            const int32_t x = (int32_t)(a[i] ^ FLIP_4), y = (int32_t)(b[i] ^ FLIP_4);
            sums[2 * i] += (x & 15) * p + (y & 15) * q - taken;
            sums[2 * i + 1] += (x >> 4) * p + (y >> 4) * q - taken;
        }
    }
    if (count > 0) {
        const uint8_t *const a = weights + s->column * bytes;
        const int32_t p = s->by, taken = 8 * p;
        for (i = 0; i < bytes; i++) {
            const int32_t x = (int32_t)(a[i] ^ FLIP_4);
            sums[2 * i] += (x & 15) * p - taken;
            sums[2 * i + 1] += (x >> 4) * p - taken;
        }
    }
}

/* rows is a multiple of 4. */
static void add_2_bits(int32_t *restrict sums, const uint8_t *restrict weights, size_t rows, const struct model_sent *s,
                       uint32_t count)
{
    const size_t bytes = rows / 4;
    size_t i;
    for (; count > 0; count--, s++) {
        const uint8_t *const a = weights + s->column * bytes;
        const int32_t p = s->by, taken = 2 * p;
        for (i = 0; i < bytes; i++) {
            const int32_t x = (int32_t)(a[i] ^ FLIP_2);
            sums[4 * i] += (x & 3) * p - taken;
            sums[4 * i + 1] += ((x >> 2) & 3) * p - taken;
            sums[4 * i + 2] += ((x >> 4) & 3) * p - taken;
            sums[4 * i + 3] += (x >> 6) * p - taken;
        }
    }
}

static int32_t code_16(const uint8_t *code)
{
    return ((code[0] | code[1] << 8) ^ 0x8000) - 0x8000;
}

static void add_16_bits(int32_t *restrict sums, const uint8_t *restrict weights, size_t rows,
                        const struct model_sent *s, uint32_t count)
{
    size_t r;
    for (; count > 0; count--, s++) {
        const uint8_t *const a = weights + 2 * s->column * rows;
        const int32_t p = s->by;
        for (r = 0; r < rows; r++)
            sums[r] += code_16(a + 2 * r) * p;
    }
}

static void add_16_bits_wide(int64_t *restrict sums, const uint8_t *restrict weights, size_t rows,
                             const struct model_sent *s, uint32_t count)
{
    size_t r;
    for (; count > 0; count--, s++) {
        const uint8_t *const a = weights + 2 * s->column * rows;
        const int64_t p = s->by;
        for (r = 0; r < rows; r++)
            sums[r] += code_16(a + 2 * r) * p;
    }
}

/* Codes of any width, from any bit on. */
struct codes {
    const uint8_t *next;
    uint32_t window, held, bits;
};

static struct codes codes_from(const struct model_matvec *m, size_t column)
{
    const size_t bit = column * m->rows * m->weight_bits;
    struct codes codes;
    codes.next = model_weights + m->weights + bit / 8;
    codes.window = 0;
    codes.held = 0;
    codes.bits = m->weight_bits;
    if (bit % 8 != 0) {
        codes.window = (uint32_t)*codes.next++ >> (bit % 8);
        codes.held = 8u - (uint32_t)(bit % 8);
    }
    return codes;
}

static int32_t next_code(struct codes *codes)
{
    const uint32_t sign = (uint32_t)1 << (codes->bits - 1);
    uint32_t field;
    while (codes->held < codes->bits) {
        codes->window |= (uint32_t)*codes->next++ << codes->held;
        codes->held += 8;
    }
    field = codes->window & (2 * sign - 1);
    codes->window >>= codes->bits;
    codes->held -= codes->bits;
    return (int32_t)(field ^ sign) - (int32_t)sign;
}

static void add_any(int32_t *sums, const struct model_matvec *m, const struct model_sent *s, uint32_t count)
{
    size_t r;
    for (; count > 0; count--, s++) {
        struct codes codes = codes_from(m, s->column);
        for (r = 0; r < m->rows; r++)
            sums[r] += next_code(&codes) * s->by;
    }
}

static void add_any_wide(int64_t *sums, const struct model_matvec *m, const struct model_sent *s, uint32_t count)
{
    size_t r;
    for (; count > 0; count--, s++) {
        struct codes codes = codes_from(m, s->column);
        for (r = 0; r < m->rows; r++)
            sums[r] += (int64_t)next_code(&codes) * s->by;
    }
}

void model_add_columns(const struct model_matvec *m, void *sums, const struct model_sent *list, uint32_t count)
{
    const uint8_t *const weights = model_weights + m->weights;
    const size_t rows = m->rows;
    if (m->sum_bytes == 8) {
        if (m->weight_bits == 16)
            add_16_bits_wide((int64_t *)sums, weights, rows, list, count);
        else
            add_any_wide((int64_t *)sums, m, list, count);
    } else if (m->weight_bits == 8) {
        add_8_bits((int32_t *)sums, weights, rows, list, count);
    } else if (m->weight_bits == 4 && rows % 2 == 0) {
        add_4_bits((int32_t *)sums, weights, rows, list, count);
    } else if (m->weight_bits == 2 && rows % 4 == 0) {
        add_2_bits((int32_t *)sums, weights, rows, list, count);
    } else if (m->weight_bits == 16) {
        add_16_bits((int32_t *)sums, weights, rows, list, count);
    } else {
        add_any((int32_t *)sums, m, list, count);
    }
}
