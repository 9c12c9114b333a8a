// SPDX-License-Identifier: Apache-2.0
// Allocation that does not fail, and the cleanup functions for scopes.
#include "base/mem.h"
#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void *mem_alloc(size_t size)
{
    void *at = calloc(1, size ? size : 1);
    CHECK(at != NULL);
    return at;
}

void *mem_grow(void *at, size_t size)
{
    void *grown = realloc(at, size ? size : 1);
    CHECK(grown != NULL);
    return grown;
}

char *mem_dup_n(const char *text, size_t size)
{
    char *copy = mem_alloc(size + 1);
    if (size) {
        memcpy(copy, text, size);
    }
    return copy;
}

char *mem_dup(const char *text)
{
    return text ? mem_dup_n(text, strlen(text)) : NULL;
}

char *mem_printf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int rc = vasprintf(&text, fmt, args);
    va_end(args);
    CHECK(rc >= 0);
    return text;
}

void mem_clean(void *at_pointer)
{
    void **p = at_pointer;
    free(*p);
    *p = NULL;
}

void fd_clean(const int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
}
