/* Sigmoid and tanh: codes on 2^-14 of codes on 2^-10, which may be twice a 16-bit code. */
#ifndef SIGMOID_H
#define SIGMOID_H

#include <stdint.h>

int32_t sigmoid(int32_t code);

/* tanh(x) = 2 sigmoid(2 x) - 1 */
int32_t sigmoid_tanh(int32_t code);

#endif
