/* A bidirectional layer over a whole utterance; what a Layer is depends on the network's family, sru.h or gated.h. */
#ifndef LAYER_H
#define LAYER_H

#include <stddef.h>
#include <stdint.h>
#include "memory.h"

typedef struct Layer Layer;

/* x [frames, columns of the layer's first matvec] codes, y [frames, 2 hidden] codes: forward, then backward direction.
 * Counts of sent elements are added to sent [matvecs of the model]. */
void layer_run(const Layer *layer, const int16_t *x, size_t frames, int16_t *y, Memory memory, uint64_t *sent);

#endif
