/* Matrix-vector products that skip what the delta gate does not send.
 *
 * A row's sum is kept between frames; a sent element adds its weight times its change. Integer sums are exact, so this
 * is the product of the held vector. No sum overflows in between: after each column it is that of a vector in range. */
#include "model.h"
#include "contract.h"
#include "tables.h"

/* Sign bits of codes of 4 and 2 bits: with them flipped, a field holds its code plus 8 or 2, and is never negative. */
#define FLIP_4 0x88u
#define FLIP_2 0xAAu

unsigned char *model_take(unsigned char **memory, size_t bytes)
{
    unsigned char *const taken = *memory;
    *memory += (bytes + 7u) / 8u * 8u;
    return taken;
}

static float step_of(uint16_t number)
{
    return number == MODEL_NONE ? 1.0f : model_steps[number];
}

static int32_t zero_quarters(const struct model_matvec *m)
{
    const int32_t negated = m->zero == MODEL_NONE ? 0 : model_zeros[m->zero];
    return m->act_bits <= 4 ? -negated : -4 * negated;
}

/* Quantize x, and list what moved more than the threshold; returns the length of the list. */
static uint32_t send(const struct model_matvec *m, struct model_reading *reading, const int16_t *x)
{
    const float quarters = (float)zero_quarters(m), zero = model_grid(quarters * 0.25f);
    const float shift = quarters * 0.25f - zero, divisor = step_of(m->act_step);
    const float half = (float)((int32_t)1 << (m->act_bits - 1)), low = zero - half, high = zero + half - 1.0f;
    struct model_sent *const list = reading->list;
    int16_t *const held = reading->held;
    const int32_t delta = m->delta;
    const int quantized = m->act_bits < 16;
    uint32_t j, listed = 0, moved = 0;
    for (j = 0; j < m->cols; j++) {
        int32_t value = x[j], by;
        if (quantized) {
            float q = (float)value / divisor - shift;
            q = q < low ? low : q > high ? high : q;
            value = (int32_t)((q + MODEL_ROUNDER) - MODEL_ROUNDER);
        }
        by = value - held[j];
        if (by > delta || by < -delta) {
            held[j] = (int16_t)value;
            moved++;
        } else {
#ifdef DENSE /* for benchmarks: multiply all the same */
            by = 0;
#else
            continue;
#endif
        }
        list[listed].by = by;
        list[listed++].column = j;
    }
    reading->sent += moved;
    return listed;
}

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

/* Add the listed columns to the sums [rows] of a matvec. */
static void add(const struct model_matvec *m, void *sums, const struct model_sent *list, uint32_t count)
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

/* Result codes y [rows] of the sums. */
static void finish(const struct model_matvec *m, const void *sums, int16_t *restrict y)
{
    static const int8_t one = 1;
    const int8_t *const multiples = m->has_multiples ? model_multiples + m->multiples : &one;
    const size_t next = m->has_multiples, rows = m->rows;
    const float step = step_of(m->weight_step), divisor = step_of(m->act_step);
    const int16_t *bias = model_vectors + m->bias;
    const struct model_power *run = model_powers + m->power;
    size_t r = 0;
    for (; r < rows; run++) {
        const float power = run->power;
        const size_t end = run->end;
        if (m->sum_bytes == 8)
            for (; r < end; r++)
                y[r] = (int16_t)model_grid((float)((const int64_t *)sums)[r] *
                                           ((float)multiples[r * next] * step * divisor * power));
        else
            for (; r < end; r++)
                y[r] = (int16_t)model_grid((float)((const int32_t *)sums)[r] *
                                           ((float)multiples[r * next] * step * divisor * power));
    }
    for (r = m->bias_from; r < m->bias_end; r++)
        y[r] = (int16_t)model_add(y[r], *bias++);
}

/* A quarter of a number, half to even. */
static int64_t quarter(int64_t number)
{
    const int64_t rest = (number % 4 + 4) % 4, below = (number - rest) / 4;
    return below + (rest == 3 || (rest == 2 && below % 2 != 0));
}

/* Sums of a vector of zeros: the rest of the zero point, in quarters, times the row sums of the codes. */
static void start(const struct model_matvec *m, void *sums, struct model_sent *list)
{
    int64_t *const wide = (int64_t *)sums;
    int32_t *const narrow = (int32_t *)sums;
    const int32_t all = zero_quarters(m);
    const int32_t rest = all - 4 * (int32_t)model_grid((float)all * 0.25f);
    uint32_t i;
    for (i = 0; i < m->rows; i++) {
        if (m->sum_bytes == 8)
            wide[i] = 0;
        else
            narrow[i] = 0;
    }
    if (rest == 0)
        return;
    for (i = 0; i < m->cols; i++) {
        list[i].by = 1;
        list[i].column = i;
    }
    add(m, sums, list, m->cols);
    for (i = 0; i < m->rows; i++) {
        if (m->sum_bytes == 8)
            wide[i] = quarter(wide[i] * rest);
        else
            narrow[i] = (int32_t)quarter((int64_t)narrow[i] * rest);
    }
}

void model_stream_open(struct model_stream *stream, struct model_readers readers, unsigned char **memory,
                       struct model_sent *list)
{
    unsigned k, i;
    stream->count = readers.count;
    for (k = 0; k < readers.count; k++) {
        struct model_reading *const reading = &stream->readings[k];
        const struct model_reader *const reader = &model_reader_table[readers.first + k];
        const struct model_matvec *const matvecs = model_matvecs + reader->first;
        reading->first = reader->first;
        reading->count = reader->count;
        reading->sent = 0;
        reading->list = list;
        reading->held = (int16_t *)(void *)model_take(memory, sizeof(int16_t) * matvecs->cols);
        for (i = 0; i < matvecs->cols; i++)
            reading->held[i] = 0;
        reading->sums = *memory;
        for (i = 0; i < reader->count; i++)
            start(&matvecs[i], model_take(memory, (size_t)matvecs[i].rows * matvecs[i].sum_bytes), list);
    }
}

void model_stream_step(struct model_stream *stream, const int16_t *x, int16_t *y)
{
    unsigned k, i;
    for (k = 0; k < stream->count; k++) {
        struct model_reading *const reading = &stream->readings[k];
        const struct model_matvec *m = model_matvecs + reading->first;
        const uint32_t listed = send(m, reading, x);
        unsigned char *sums = reading->sums;
        for (i = 0; i < reading->count; i++, m++) {
            void *const own = model_take(&sums, (size_t)m->rows * m->sum_bytes);
            add(m, own, reading->list, listed);
            finish(m, own, y);
            y += m->rows;
        }
    }
}

void model_stream_count(const struct model_stream *stream, uint64_t *sent)
{
    unsigned k, i;
    for (k = 0; sent != 0 && k < stream->count; k++)
        for (i = 0; i < stream->readings[k].count; i++)
            sent[stream->readings[k].first + i] += stream->readings[k].sent;
}
