#ifndef MODEL_SRU_H
#define MODEL_SRU_H

#include "tables.h"

extern const struct model_sru model_layers[];

#endif
