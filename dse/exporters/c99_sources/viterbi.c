/* Viterbi search over 48 phones of three states passed from left to right.
 *
 * The same float operations in the same order as the tool's decoder, so that scores and ties are the same. A step back
 * is decided again from the scores, which takes no memory. */
#include <math.h>
#include "model.h"
#include "contract.h"
#include "tables.h"

#define PHONES 48
#define STATES 3
#define TARGETS (PHONES * STATES)
#define LAST (TARGETS - PHONES) /* the last states; scores of a frame are [3][48] */
#define FRAMES_BETWEEN_RESTARTS 16 /* scores restart near zero: their rounding does not depend on the length */

static float greatest(const float *values, size_t count)
{
    float most = values[0];
    size_t i;
    for (i = 1; i < count; i++)
        if (values[i] > most)
            most = values[i];
    return most;
}

static float acoustic(const int16_t *logits, size_t state)
{
    const size_t target = STATES * (state % PHONES) + state / PHONES;
    const float logit = (float)logits[target] * MODEL_LOGIT_STEP;
    const float scaled = MODEL_ACOUSTIC_SCALE * logit;
    return scaled + model_priors[target];
}

static void first_frame(const int16_t *logits, float *scores)
{
    size_t k;
    for (k = 0; k < TARGETS; k++)
        scores[k] = k < PHONES ? model_enter[PHONES * PHONES + k] + acoustic(logits, k) : -INFINITY;
}

static void next_frame(const int16_t *logits, const float *before, float *scores, int restart)
{
    const float offset = restart ? -greatest(before, TARGETS) : 0.0f;
    float entry[PHONES];
    size_t p, d, k;
    for (d = 0; d < PHONES; d++)
        entry[d] = before[LAST] + model_enter[d];
    for (p = 1; p < PHONES; p++) {
        const float exits = before[LAST + p];
        const float *const enter = model_enter + p * PHONES;
        for (d = 0; d < PHONES; d++) {
            const float entered = exits + enter[d];
            entry[d] = entered > entry[d] ? entered : entry[d];
        }
    }
    for (k = 0; k < TARGETS; k++) {
        const float moved = k < PHONES ? entry[k] : before[k - PHONES];
        const float arrived = moved > before[k] ? moved : before[k];
        const float frame = acoustic(logits, k);
        scores[k] = arrived + (frame + offset);
    }
}

/* Phones of the best path that ends in a last state, first to last; none where its score is not finite. */
static size_t trace_back(const float *scores, size_t frames, int16_t *phones)
{
    const float *now = scores + (frames - 1) * TARGETS;
    size_t state = STATES - 1, phone = 0, count = 0, p, t;
    for (p = 1; p < PHONES; p++)
        if (now[LAST + p] > now[LAST + phone])
            phone = p;
    if (!(now[LAST + phone] - now[LAST + phone] == 0.0f))
        return 0;
    for (t = frames - 1; t > 0; t--) {
        const float *const before = scores + (t - 1) * TARGETS;
        const float stay = before[state * PHONES + phone];
        if (state > 0) {
            if (before[(state - 1) * PHONES + phone] > stay)
                state--;
        } else {
            size_t best = 0;
            float score = before[LAST] + model_enter[phone];
            for (p = 1; p < PHONES; p++) {
                const float entered = before[LAST + p] + model_enter[p * PHONES + phone];
                if (entered > score) {
                    best = p;
                    score = entered;
                }
            }
            if (score > stay && count < frames / STATES) {
                phones[count++] = (int16_t)phone;
                phone = best;
                state = STATES - 1;
            }
        }
    }
    if (count < frames / STATES)
        phones[count++] = (int16_t)phone;
    for (p = 0; p < count / 2; p++) {
        const int16_t swapped = phones[p];
        phones[p] = phones[count - 1 - p];
        phones[count - 1 - p] = swapped;
    }
    return count;
}

size_t model_decode(size_t frames, void *memory, int16_t *phones)
{
    const int16_t *const logits = (const int16_t *)memory;
    const size_t units = (frames * MODEL_FRAME_U * sizeof(int16_t) + 7u) / 8u * 8u;
    float *const scores = (float *)(void *)((unsigned char *)memory + units);
    size_t t;
    if (frames < STATES)
        return 0;
    first_frame(logits, scores);
    for (t = 1; t < frames; t++)
        next_frame(logits + t * MODEL_OUTPUTS, scores + (t - 1) * TARGETS, scores + t * TARGETS,
                   t % FRAMES_BETWEEN_RESTARTS == 0);
    return trace_back(scores, frames, phones);
}
