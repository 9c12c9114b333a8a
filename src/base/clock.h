// SPDX-License-Identifier: Apache-2.0
// Time. Monotonic time orders what happens here; wall time is for records and users.
#pragma once

#include <stddef.h>
#include <stdint.h>

int64_t clock_mono_us(void);   // microseconds of CLOCK_MONOTONIC
int64_t clock_thread_us(void); // microseconds that this thread has computed
int64_t clock_wall_ms(void);   // milliseconds since 1970, UTC

#define CLOCK_TEXT_MAX 40
// "2026-01-02T03:04:05.678Z"
const char *clock_iso(int64_t wall_ms, char text[CLOCK_TEXT_MAX]);
// "Fri, 02 Jan 2026 03:04:05 GMT" (RFC 9110)
const char *clock_http(int64_t wall_ms, char text[CLOCK_TEXT_MAX]);
// "20260102T030405Z" (SigV4)
const char *clock_amz(int64_t wall_ms, char text[CLOCK_TEXT_MAX]);
// Parse the last two. -1 when malformed; milliseconds since 1970 otherwise.
int64_t clock_http_parse(const char *text);
int64_t clock_amz_parse(const char *text);
