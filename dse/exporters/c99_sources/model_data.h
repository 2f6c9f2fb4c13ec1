/* Constants of the network, which model_data.c holds; for the library only. */
#ifndef MODEL_DATA_H
#define MODEL_DATA_H

#include "layer.h"
#include "matvec.h"
#include "model.h"

extern const float model_mean[MODEL_FEATURES], model_std[MODEL_FEATURES];
extern const float model_feature_steps; /* steps of the features' grid in 1 */
extern const int16_t model_knots[MODEL_KNOTS];
extern const MatVec model_matvecs[MODEL_MATVECS]; /* in the order they run */
extern const Layer *const model_layers[MODEL_LAYERS];

#if MODEL_HAS_DECODER
extern const float decoder_logit_step; /* of a logit's code */
extern const float decoder_scale, decoder_bias[MODEL_OUTPUTS], decoder_enter[MODEL_PHONES + 1][MODEL_PHONES];
#endif

#endif
