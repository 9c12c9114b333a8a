// SPDX-License-Identifier: Apache-2.0
// Arrays in numpy's own file format: a magic, a header that is a Python literal, raw elements.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include "base/buf.h"
#include "engine/tensor.h"

bool npy_is(struct str bytes); // by its magic

// Little-endian, C order. tensor->data points into the bytes, perhaps unaligned. ERR_INVALID says
// what is wrong, ERR_UNSUPPORTED what numpy has and we have not.
MUST_CHECK int npy_read(struct str bytes, struct tensor *ret, struct err *err);

// ERR_UNSUPPORTED when numpy has no such type.
MUST_CHECK int npy_write(const struct tensor *tensor, struct buf *out, struct err *err);
