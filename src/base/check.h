// SPDX-License-Identifier: Apache-2.0
// CHECK: an invariant of ours. It stays on in every build; a false one says where and aborts this
// process, whose supervisor starts it again. Conditions are positive and have no effects.
#pragma once

#define CHECK(cond) ((cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__, __func__))

_Noreturn void check_failed(const char *cond, const char *file, int line, const char *func);
