// SPDX-License-Identifier: Apache-2.0
// float16 (IEEE 754 binary16) from float32, rounded to the nearest, ties to even.
#pragma once

#include <stddef.h>
#include <stdint.h>

uint16_t half_of_float(float value);
void half_of_floats(const float *values, size_t count, uint16_t *ret);
