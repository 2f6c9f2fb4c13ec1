/* Viterbi search with a phone bigram over phones of three left-to-right states. A path's score is, over its frames,
 * scale * logit[state] + bias[state], and over its phones enter[previous, phone].
 *
 * Every frame keeps a byte a phone that says how its states were reached: bits 0 to 5 the phone before where the first
 * state was entered, else STAYED; bits 6 and 7 whether the second and third were entered from the one before.
 */
#include <math.h> /* INFINITY; no function of it */

#include "fixed.h"
#include "memory.h"
#include "model_data.h"

enum { PHONES = MODEL_PHONES, STATES = MODEL_STATES, LAST = MODEL_STATES - 1, STAYED = 63, BETWEEN_RESTARTS = 16 };
typedef char decoder_phones_fit_six_bits[(PHONES < STAYED && STATES == 3) ? 1 : -1];

typedef float Scores[STATES][PHONES];

size_t decoder_bytes(size_t frames)
{
    return frames > ((size_t)-1 - DECODER_BYTES(0)) / PHONES ? 0 : DECODER_BYTES(frames);
}

/* Score of a state at one frame, without its path. */
static float emission(const int16_t *logits, size_t phone, size_t state)
{
    const size_t target = phone * STATES + state;
    const float logit = (float)logits[target] * decoder_logit_step;
    const float scaled = logit * decoder_scale;
    return scaled + decoder_bias[target];
}

static int is_finite(float score)
{
    return score >= -FLT_MAX && score <= FLT_MAX;
}

/* Scores after one frame more, and how they came about. Scores restart near 0 where `restarts`. */
static void advance(const int16_t *logits, int restarts, float (*before)[PHONES], float (*after)[PHONES], uint8_t *how)
{
    float offset = 0.0f;
    size_t p, d, s;
    if (restarts) {
        float most = before[0][0];
        for (s = 0; s < STATES; ++s) {
            for (p = 0; p < PHONES; ++p) {
                most = before[s][p] > most ? before[s][p] : most;
            }
        }
        offset = -most;
    }
    for (d = 0; d < PHONES; ++d) {
        float best = before[LAST][0] + decoder_enter[0][d], from;
        size_t previous = 0;
        for (p = 1; p < PHONES; ++p) {
            const float entered = before[LAST][p] + decoder_enter[p][d];
            if (entered > best) {
                best = entered;
                previous = p;
            }
        }
        for (s = 0; s < STATES; ++s) {
            const float stay = before[s][d], moved = s == 0 ? best : before[s - 1][d];
            const float emitted = emission(logits, d, s) + offset;
            const int moves = moved > stay;
            from = moves ? moved : stay;
            after[s][d] = from + emitted;
            if (s == 0) {
                how[d] = (uint8_t)(moves ? previous : STAYED);
            } else if (moves) {
                how[d] = (uint8_t)(how[d] | (32u << s));
            }
        }
    }
}

size_t decoder_run(const int16_t *logits, size_t frames, void *memory, size_t bytes, uint8_t *phones)
{
    const size_t needed = decoder_bytes(frames);
    Memory rest;
    float (*scores[2])[PHONES];
    uint8_t *how;
    size_t t, p, s, count = 0, state = LAST, phone = 0;
    if (frames < STATES || needed == 0 || bytes < needed || (uintptr_t)memory % 8 != 0) {
        return 0;
    }
    rest.next = (unsigned char *)memory;
    scores[0] = (float (*)[PHONES])memory_take(&rest, sizeof(Scores));
    scores[1] = (float (*)[PHONES])memory_take(&rest, sizeof(Scores));
    how = (uint8_t *)memory_take(&rest, frames * PHONES);
    for (p = 0; p < PHONES; ++p) {
        scores[0][0][p] = decoder_enter[PHONES][p] + emission(logits, p, 0);
        for (s = 1; s < STATES; ++s) {
            scores[0][s][p] = -INFINITY;
        }
    }
    for (t = 1; t < frames; ++t) {
        advance(
            logits + t * MODEL_OUTPUTS, t % BETWEEN_RESTARTS == 0, scores[(t - 1) % 2], scores[t % 2], how + t * PHONES);
    }
    for (p = 1; p < PHONES; ++p) {
        if (scores[(frames - 1) % 2][LAST][p] > scores[(frames - 1) % 2][LAST][phone]) {
            phone = p;
        }
    }
    if (!is_finite(scores[(frames - 1) % 2][LAST][phone])) {
        return 0;
    }
    for (t = frames - 1; t > 0; --t) {
        const uint8_t came = how[t * PHONES + phone];
        if (state > 0) {
            state -= (came >> (5 + state)) & 1u;
        } else if ((came & STAYED) != STAYED) {
            phones[count++] = (uint8_t)phone;
            phone = came & STAYED;
            state = LAST;
        }
    }
    phones[count++] = (uint8_t)phone;
    for (t = 0; t < count / 2; ++t) {
        const uint8_t first = phones[t];
        phones[t] = phones[count - 1 - t];
        phones[count - 1 - t] = first;
    }
    return count;
}
