/* Matrix-vector products that skip what the delta gate does not send.
 *
 * A row's sum is kept between frames; a sent element adds its weight times its change. Integer sums are exact, so this
 * is the product of the held vector. No sum overflows in between: after each column it is that of a vector in range. */
#include "model.h"
#include "contract.h"
#include "tables.h"

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
    model_add_columns(m, sums, list, m->cols);
    for (i = 0; i < m->rows; i++) {
        if (m->sum_bytes == 8)
            wide[i] = quarter(wide[i] * rest);
        else
            narrow[i] = (int32_t)quarter((int64_t)narrow[i] * rest);
    }
}

void model_stream_place(struct model_stream *stream, struct model_readers readers, unsigned char **memory,
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
        reading->sums = *memory;
        for (i = 0; i < reader->count; i++)
            model_take(memory, (size_t)matvecs[i].rows * matvecs[i].sum_bytes);
    }
}

void model_stream_start(struct model_stream *stream)
{
    unsigned k, i;
    for (k = 0; k < stream->count; k++) {
        struct model_reading *const reading = &stream->readings[k];
        const struct model_matvec *const matvecs = model_matvecs + reading->first;
        unsigned char *sums = reading->sums;
        for (i = 0; i < matvecs->cols; i++)
            reading->held[i] = 0;
        for (i = 0; i < reading->count; i++)
            start(&matvecs[i], model_take(&sums, (size_t)matvecs[i].rows * matvecs[i].sum_bytes), reading->list);
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
            model_add_columns(m, own, reading->list, listed);
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
