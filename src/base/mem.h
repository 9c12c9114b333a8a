// SPDX-License-Identifier: Apache-2.0
// Memory. Small allocations never return NULL: exhaustion aborts the process. Anything whose size
// a user chooses is checked against a budget first and fails softly with ERR_LIMIT.
#pragma once

#include <stddef.h>
#include <stdlib.h>

void *mem_alloc(size_t size);                   // zeroed
void *mem_grow(void *at, size_t size);          // realloc that does not fail
char *mem_dup(const char *text);                // strdup; NULL stays NULL
char *mem_dup_n(const char *text, size_t size); // adds the NUL
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define NEW(type) ((type *)mem_alloc(sizeof(type)))

// Cleanup at scope end: `CLEAN(mem_clean) char *name = …;`
#define CLEAN(fn) __attribute__((cleanup(fn)))
void mem_clean(void *at_pointer); // for char *, void *, any heap pointer
void fd_clean(const int *fd);     // closes when >= 0
#define CLEAN_MEM CLEAN(mem_clean)
#define CLEAN_FD  CLEAN(fd_clean)

// Marks the transfer of ownership: the source is NULL afterwards.
#define MOVE(p)                                                                                    \
    ({                                                                                             \
        typeof(p) *move_at_ = &(p);                                                                \
        typeof(p) move_was_ = *move_at_;                                                           \
        *move_at_ = NULL;                                                                          \
        move_was_;                                                                                 \
    })

#define ARRAY_SIZE(a)                 (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
