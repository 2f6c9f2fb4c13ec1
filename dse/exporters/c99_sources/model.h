/* @title@
 *
 * Generated. Its results are bit for bit those of the evaluator that chose this network.
 *
 * To use it: compile all .c files but main.c and replay.c with -std=c99 -ffp-contract=off; then for each utterance
 *
 *     memory = model_bytes(frames) bytes of your own, aligned to 8; the library allocates nothing
 *     logits = model_run(features, frames, memory, 0);    codes [frames][MODEL_OUTPUTS], in steps of MODEL_LOGIT_STEP
@decode@ *
 * features are float [frames][MODEL_FEATURES], as the network was trained on. A NaN counts as the feature's mean, what
 * is beyond the grid saturates, infinity too, and no frames give nothing. `make` builds main, which prints what it hears.
 *
@directions@ *
 * With -DDENSE every column is multiplied at every frame, with the same results: it shows what the delta gates save.
 *
@table@
 */
#ifndef MODEL_H
#define MODEL_H

#include <stddef.h>
#include <stdint.h>

@sizes@

/* Bytes of memory for so many frames; 0 where a size_t does not hold them. */
size_t model_bytes(size_t frames);

/* What to be told of a run; any of it may be 0. */
struct model_observer {
    /* Called after each layer with its output: codes [frames][MODEL_WIDTH], `stride` codes from frame to frame. A network
     * that runs forward in time calls it for each frame in turn. */
    void (*layer)(void *to, unsigned layer, const int16_t *codes, size_t frames, size_t stride);
    void *to;
    uint64_t *sent; /* [MODEL_MATVECS] elements that each matvec's delta gate sent are added */
};

/* Run an utterance; returns its logits' codes [frames][MODEL_OUTPUTS], in `memory`. `observer` may be 0. */
const int16_t *model_run(const float *features, size_t frames, void *memory, const struct model_observer *observer);

#if MODEL_FORWARD
/* Frame by frame. `state` are MODEL_STATE_BYTES of the caller's, aligned to 8: numbers without any address, so that they
 * may be moved and copied between two frames, and several states run in turn. */
void model_start(void *state); /* before an utterance's first frame */

/* The next frames of the utterance, one or more; `logits` get their codes [frames][MODEL_OUTPUTS]. `observer` may be 0.
 * However an utterance is cut, its codes are those that model_run gives. */
void model_next(void *state, const float *features, size_t frames, int16_t *logits, const struct model_observer *observer);
#endif

#if MODEL_DECODES
/* Labels [up to frames / MODEL_FRAMES_A_LABEL] of the utterance that model_run has just run in `memory`, whose logits
 * stay as they are. Returns how many; none where there are less frames than a label takes. */
size_t model_decode(size_t frames, void *memory, int16_t *labels);
#endif

/* An element that a delta gate sent: what is added to it, and which it is. */
struct model_sent {
    int32_t by;
    uint32_t column;
};

/* Matvecs of one vector that share its quantizer and delta gate, at work. */
struct model_reading {
    uint16_t first, count;
    int16_t *held;
    unsigned char *sums;
    struct model_sent *list;
    uint64_t sent;
};

struct model_readers {
    uint16_t first, count; /* in model_reader_table */
};

/* A stream of vectors through all matvecs that read them. */
struct model_stream {
    unsigned count;
    struct model_reading readings[MODEL_MOST_READERS];
};

/* Place a stream's state in `*memory`, which moves past it. All streams may share one list [MODEL_MOST_COLS]. */
void model_stream_place(struct model_stream *stream, struct model_readers readers, unsigned char **memory,
                        struct model_sent *list);

/* Before the first vector. */
void model_stream_start(struct model_stream *stream);

/* The next vector, x; y are the results of all the matvecs, side by side. */
void model_stream_step(struct model_stream *stream, const int16_t *x, int16_t *y);

/* Add what was sent since the stream was placed to `sent` [MODEL_MATVECS], which may be 0. */
void model_stream_count(const struct model_stream *stream, uint64_t *sent);

/* Within the library: bytes of `*memory`, which moves past them, to a multiple of 8. */
unsigned char *model_take(unsigned char **memory, size_t bytes);

#if MODEL_FORWARD
/* Within the library: a layer before the first frame, and at each; its output replaces its input x [MODEL_WIDEST], and
 * u [MODEL_UNITS] is scratch. `*state` moves past what the layer keeps there. */
void model_layer_start(unsigned layer, unsigned char **state, struct model_sent *list);
void model_layer_step(unsigned layer, int16_t *x, int16_t *u, unsigned char **state, struct model_sent *list,
                      uint64_t *sent);
#else
/* Within the library: a layer, whose output replaces its input x [frames][MODEL_WIDEST]. u [frames][MODEL_UNITS] and
 * state [MODEL_STATE_BYTES] are scratch. */
void model_layer(unsigned layer, int16_t *x, int16_t *u, size_t frames, unsigned char *state, uint64_t *sent);
#endif

#endif
