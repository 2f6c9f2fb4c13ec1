/* The highest output of each frame, of equals the first. With a blank, CTC's, a run of frames with one output is one label
 * and a run of blanks is none. */
#include "model.h"

size_t model_decode(size_t frames, void *memory, int16_t *labels)
{
    const int16_t *logits = (const int16_t *)memory;
    size_t before = MODEL_OUTPUTS, count = 0, t, i;
    for (t = 0; t < frames; t++, logits += MODEL_OUTPUTS) {
        size_t best = 0;
        for (i = 1; i < MODEL_OUTPUTS; i++)
            if (logits[i] > logits[best])
                best = i;
#if MODEL_HAS_BLANK
        if (best != before && best != MODEL_BLANK)
            labels[count++] = (int16_t)(best > MODEL_BLANK ? best - 1 : best);
        before = best;
#else
        labels[count++] = (int16_t)best;
#endif
    }
    (void)before;
    return count;
}
