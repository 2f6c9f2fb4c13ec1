#include "matvec.h"
#include "fixed.h"
#include "model_data.h"

/* Zero point in whole steps, rounded half to even, and the rest of it in quarters. */
static void zero_point(const MatVec *matvec, int32_t *whole, int32_t *quarters)
{
    const int32_t units = (int32_t)matvec->zero - 127;
    *whole = units;
    *quarters = 0;
    if (matvec->act_bits <= 4) {
        const int32_t floor = (units + 128) / 4 - 32;
        *quarters = units - 4 * floor;
        *whole = floor;
        if (*quarters > 2 || (*quarters == 2 && floor % 2 != 0)) {
            *whole += 1;
            *quarters -= 4;
        }
    }
}

/* Pass x through the quantizer and the delta gate; returns the number of moves. */
static size_t send(const MatVec *matvec, int16_t *held, const int16_t *x, MatVecMove *moves, size_t *listed)
{
    const int is_integer = matvec->act_bits < 16;
    const float divisor = matvec->divisor;
    float low = 0.0f, high = 0.0f, shift = 0.0f;
    size_t sent = 0, count = 0;
    uint32_t col;
    if (is_integer) {
        const int32_t half = (int32_t)1 << (matvec->act_bits - 1);
        int32_t zero, quarters;
        zero_point(matvec, &zero, &quarters);
        low = (float)(zero - half);
        high = (float)(zero + half - 1);
        shift = 0.25f * (float)quarters;
    }
    for (col = 0; col < matvec->cols; ++col) {
        int32_t value = x[col], move;
        int moves_on;
        if (is_integer) {
            const float scaled = (float)value / divisor - shift;
            value = fixed_round(scaled < low ? low : (scaled > high ? high : scaled));
        }
        move = value - held[col];
        moves_on = (move < 0 ? -move : move) > matvec->delta;
        sent += (size_t)moves_on;
#ifdef DENSE
        moves[count].col = col;
        moves[count].move = moves_on ? move : 0;
        ++count;
        if (moves_on) {
            held[col] = (int16_t)value;
        }
#else
        if (moves_on) {
            moves[count].col = col;
            moves[count].move = move;
            ++count;
            held[col] = (int16_t)value;
        }
#endif
    }
    *listed = count;
    return sent;
}

/* Codes of 2 to 8 bits, one after the other, from any bit on. */
typedef struct {
    const uint8_t *next;
    uint32_t bits, word, loaded;
} Reader;

static Reader reader_at(const MatVec *matvec, uint32_t col)
{
    const size_t bit = (size_t)col * matvec->rows * matvec->weight_bits;
    Reader reader;
    reader.next = (const uint8_t *)matvec->weights + bit / 8;
    reader.bits = matvec->weight_bits;
    reader.loaded = 0;
    reader.word = 0;
    if (bit % 8 != 0) {
        reader.word = (uint32_t)*reader.next++ >> (bit % 8);
        reader.loaded = 8 - (uint32_t)(bit % 8);
    }
    return reader;
}

static int32_t reader_next(Reader *reader)
{
    const uint32_t sign = (uint32_t)1 << (reader->bits - 1);
    uint32_t code;
    if (reader->loaded < reader->bits) {
        reader->word |= (uint32_t)*reader->next++ << reader->loaded;
        reader->loaded += 8;
    }
    code = reader->word & (2 * sign - 1);
    reader->word >>= reader->bits;
    reader->loaded -= reader->bits;
    return (int32_t)(code ^ sign) - (int32_t)sign;
}

static void add_any(const MatVec *matvec, const MatVecMove *moves, size_t count, int32_t *sums)
{
    size_t k;
    uint32_t row;
    for (k = 0; k < count; ++k) {
        Reader reader = reader_at(matvec, moves[k].col);
        for (row = 0; row < matvec->rows; ++row) {
            sums[row] += reader_next(&reader) * moves[k].move;
        }
    }
}

static void add_any_wide(const MatVec *matvec, const MatVecMove *moves, size_t count, int64_t *sums)
{
    size_t k;
    uint32_t row;
    for (k = 0; k < count; ++k) {
        Reader reader = reader_at(matvec, moves[k].col);
        for (row = 0; row < matvec->rows; ++row) {
            sums[row] += (int64_t)reader_next(&reader) * moves[k].move;
        }
    }
}

static void add_words(const MatVec *matvec, const MatVecMove *moves, size_t count, int32_t *sums)
{
    const size_t rows = matvec->rows;
    size_t k, row;
    for (k = 0; k < count; ++k) {
        const int16_t *column = (const int16_t *)matvec->weights + moves[k].col * rows;
        const int32_t move = moves[k].move;
        for (row = 0; row < rows; ++row) {
            sums[row] += column[row] * move;
        }
    }
}

static void add_words_wide(const MatVec *matvec, const MatVecMove *moves, size_t count, int64_t *sums)
{
    const size_t rows = matvec->rows;
    size_t k, row;
    for (k = 0; k < count; ++k) {
        const int16_t *column = (const int16_t *)matvec->weights + moves[k].col * rows;
        const int64_t move = moves[k].move;
        for (row = 0; row < rows; ++row) {
            sums[row] += column[row] * move;
        }
    }
}

/* Columns at once, so that sums are loaded and stored once for all of them. Sums that are added from left to right are
 * those of vectors of which only some elements moved yet, so none overflows. */
enum { AT_ONCE = 4 };

static void add_bytes(const MatVec *matvec, const MatVecMove *moves, size_t count, int32_t *sums)
{
    const int8_t *weights = (const int8_t *)matvec->weights;
    const size_t rows = matvec->rows;
    size_t k = 0, row;
    for (; k + AT_ONCE <= count; k += AT_ONCE) {
        const int8_t *a = weights + moves[k].col * rows, *b = weights + moves[k + 1].col * rows;
        const int8_t *c = weights + moves[k + 2].col * rows, *d = weights + moves[k + 3].col * rows;
        const int32_t p = moves[k].move, q = moves[k + 1].move, r = moves[k + 2].move, s = moves[k + 3].move;
        for (row = 0; row < rows; ++row) {
            sums[row] = sums[row] + a[row] * p + b[row] * q + c[row] * r + d[row] * s;
        }
    }
    for (; k < count; ++k) {
        const int8_t *a = weights + moves[k].col * rows;
        const int32_t p = moves[k].move;
        for (row = 0; row < rows; ++row) {
            sums[row] += a[row] * p;
        }
    }
}

static inline int32_t nibble(uint32_t byte, unsigned place)
{
    return (int32_t)(((byte >> (4 * place)) & 15u) ^ 8u) - 8;
}

static inline int32_t crumb(uint32_t byte, unsigned place)
{
    return (int32_t)(((byte >> (2 * place)) & 3u) ^ 2u) - 2;
}

static void add_nibbles(const MatVec *matvec, const MatVecMove *moves, size_t count, int32_t *sums)
{
    const uint8_t *weights = (const uint8_t *)matvec->weights;
    const size_t bytes = matvec->rows / 2;
    size_t k = 0, i;
    for (; k + 2 <= count; k += 2) {
        const uint8_t *a = weights + moves[k].col * bytes, *b = weights + moves[k + 1].col * bytes;
        const int32_t p = moves[k].move, q = moves[k + 1].move;
        for (i = 0; i < bytes; ++i) {
            sums[2 * i] = sums[2 * i] + nibble(a[i], 0) * p + nibble(b[i], 0) * q;
            sums[2 * i + 1] = sums[2 * i + 1] + nibble(a[i], 1) * p + nibble(b[i], 1) * q;
        }
    }
    for (; k < count; ++k) {
        const uint8_t *a = weights + moves[k].col * bytes;
        const int32_t p = moves[k].move;
        for (i = 0; i < bytes; ++i) {
            sums[2 * i] += nibble(a[i], 0) * p;
            sums[2 * i + 1] += nibble(a[i], 1) * p;
        }
    }
}

static void add_crumbs(const MatVec *matvec, const MatVecMove *moves, size_t count, int32_t *sums)
{
    const uint8_t *weights = (const uint8_t *)matvec->weights;
    const size_t bytes = matvec->rows / 4;
    size_t k = 0, i;
    unsigned place;
    for (; k + 2 <= count; k += 2) {
        const uint8_t *a = weights + moves[k].col * bytes, *b = weights + moves[k + 1].col * bytes;
        const int32_t p = moves[k].move, q = moves[k + 1].move;
        for (i = 0; i < bytes; ++i) {
            for (place = 0; place < 4; ++place) {
                int32_t *sum = sums + 4 * i + place;
                *sum = *sum + crumb(a[i], place) * p + crumb(b[i], place) * q;
            }
        }
    }
    for (; k < count; ++k) {
        const uint8_t *a = weights + moves[k].col * bytes;
        const int32_t p = moves[k].move;
        for (i = 0; i < bytes; ++i) {
            for (place = 0; place < 4; ++place) {
                sums[4 * i + place] += crumb(a[i], place) * p;
            }
        }
    }
}

/* Add the columns of the moves to the sums. */
static void add(const MatVec *matvec, const MatVecMove *moves, size_t count, void *sums)
{
    const uint32_t bits = matvec->weight_bits;
    if (matvec->wide) {
        if (bits == 16) {
            add_words_wide(matvec, moves, count, (int64_t *)sums);
        } else {
            add_any_wide(matvec, moves, count, (int64_t *)sums);
        }
    } else if (bits == 16) {
        add_words(matvec, moves, count, (int32_t *)sums);
    } else if (bits == 8) {
        add_bytes(matvec, moves, count, (int32_t *)sums);
    } else if (bits == 4 && matvec->rows % 2 == 0) {
        add_nibbles(matvec, moves, count, (int32_t *)sums);
    } else if (bits == 2 && matvec->rows % 4 == 0) {
        add_crumbs(matvec, moves, count, (int32_t *)sums);
    } else {
        add_any(matvec, moves, count, (int32_t *)sums);
    }
}

/* Results of the sums, bias added. The scale of a row is multiple * step * divisor * power, rounded in this order. */
static void finish(const MatVec *matvec, const void *sums, int16_t *y)
{
    const int64_t *wide = (const int64_t *)sums;
    const int32_t *narrow = (const int32_t *)sums;
    uint32_t row = 0, part;
    for (part = 0; part < matvec->rows / matvec->part_rows; ++part) {
        const uint32_t end = row + matvec->part_rows;
        for (; row < end; ++row) {
            const float sum = matvec->wide ? (float)wide[row] : (float)narrow[row];
            float scale = matvec->multiples == NULL ? matvec->step : (float)matvec->multiples[row] * matvec->step;
            scale *= matvec->divisor;
            scale *= matvec->powers[part];
            y[row] = (int16_t)fixed_grid(sum * scale);
        }
    }
    for (row = 0; row < matvec->bias_rows; ++row) {
        int16_t *code = y + matvec->bias_first + row;
        *code = (int16_t)fixed_clip(*code + matvec->bias[row]);
    }
}

static int64_t quarter_of(int64_t sum) /* rounded half to even */
{
    const int64_t rest = sum % 4;
    int64_t whole = sum / 4;
    if (rest == 3 || (rest == 2 && whole % 2 != 0)) {
        whole += 1;
    } else if (rest == -3 || (rest == -2 && whole % 2 != 0)) {
        whole -= 1;
    }
    return whole;
}

/* Sums start from the rest of the zero point times the row sums of the codes. */
static void start_sums(const MatVec *matvec, void *sums, MatVecMove *moves)
{
    int64_t *wide = (int64_t *)sums;
    int32_t *narrow = (int32_t *)sums;
    int32_t zero, quarters;
    uint32_t i;
    for (i = 0; i < matvec->rows; ++i) {
        if (matvec->wide) {
            wide[i] = 0;
        } else {
            narrow[i] = 0;
        }
    }
    zero_point(matvec, &zero, &quarters);
    if (matvec->act_bits > 4 || quarters == 0) {
        return;
    }
    for (i = 0; i < matvec->cols; ++i) {
        moves[i].col = i;
        moves[i].move = 1;
    }
    add(matvec, moves, matvec->cols, sums);
    for (i = 0; i < matvec->rows; ++i) {
        if (matvec->wide) {
            wide[i] = quarter_of(wide[i] * quarters);
        } else {
            narrow[i] = (int32_t)quarter_of((int64_t)narrow[i] * quarters);
        }
    }
}

static size_t sum_bytes(const MatVec *matvec)
{
    return (matvec->wide ? sizeof(int64_t) : sizeof(int32_t)) * matvec->rows;
}

size_t matvec_bytes(const MatVec *matvec)
{
    return MEMORY_ROUNDED(sizeof(int16_t) * matvec->cols) + MEMORY_ROUNDED(sum_bytes(matvec));
}

MatVecState matvec_open(const MatVec *matvec, Memory *memory)
{
    MatVecState state;
    state.held = (int16_t *)memory_take(memory, sizeof(int16_t) * matvec->cols);
    state.sums = memory_take(memory, sum_bytes(matvec));
    return state;
}

void matvec_start(const MatVec *matvec, const MatVecState *state, MatVecMove *moves)
{
    uint32_t col;
    for (col = 0; col < matvec->cols; ++col) {
        state->held[col] = 0;
    }
    start_sums(matvec, state->sums, moves);
}

size_t matvec_step(const MatVec *matvec, const MatVecState *state, const int16_t *x, int16_t *y, MatVecMove *moves)
{
    size_t listed;
    const size_t sent = send(matvec, state->held, x, moves, &listed);
    add(matvec, moves, listed, state->sums);
    finish(matvec, state->sums, y);
    return sent;
}

uint32_t readers_rows(const Readers *readers)
{
    uint32_t rows = 0, k;
    for (k = 0; k < readers->count; ++k) {
        rows += model_matvecs[readers->first + k].rows;
    }
    return rows;
}

ReadersState readers_open(const Readers *readers, Memory *memory)
{
    ReadersState state = {{{NULL, NULL}}, NULL};
    uint32_t k;
    for (k = 0; k < readers->count; ++k) {
        const MatVec *matvec = model_matvecs + readers->first + k;
        if (matvec->back == 0) {
            state.states[k].held = (int16_t *)memory_take(memory, sizeof(int16_t) * matvec->cols);
        }
        state.states[k].sums = memory_take(memory, sum_bytes(matvec));
    }
    state.moves = (MatVecMove *)memory_take(memory, sizeof(MatVecMove) * model_matvecs[readers->first].cols);
    return state;
}

void readers_start(const Readers *readers, const ReadersState *state)
{
    uint32_t k;
    for (k = 0; k < readers->count; ++k) {
        const MatVec *matvec = model_matvecs + readers->first + k;
        if (matvec->back == 0) {
            matvec_start(matvec, state->states + k, state->moves);
        } else {
            start_sums(matvec, state->states[k].sums, state->moves);
        }
    }
}

void readers_step(const Readers *readers, const ReadersState *state, const int16_t *x, int16_t *y, uint64_t *sent)
{
    uint32_t gate, k;
    for (gate = 0; gate < readers->count; ++gate) {
        const MatVec *first = model_matvecs + readers->first + gate;
        int16_t *result = y;
        size_t count, listed;
        if (first->back != 0) {
            continue;
        }
        count = send(first, state->states[gate].held, x, state->moves, &listed);
        for (k = 0; k < readers->count; ++k) {
            const MatVec *matvec = model_matvecs + readers->first + k;
            if (k - matvec->back == gate) {
                add(matvec, state->moves, listed, state->states[k].sums);
                finish(matvec, state->states[k].sums, result);
                sent[readers->first + k] += count;
            }
            result += matvec->rows;
        }
    }
}
