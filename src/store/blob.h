// SPDX-License-Identifier: Apache-2.0
// Blobs: files under DIR/blobs/ab/abcdef…, named by a random id that a row of the database
// refers to. A blob is written under its name with O_EXCL, made durable (fsync of file and
// folder) before the row that names it is committed, and never changed afterwards. A file that
// no row names is an orphan of a crash; blob_sweep removes those at start.
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

#define BLOB_ID_SIZE 32 // lower-case hex digits

struct blob_id {
    char text[BLOB_ID_SIZE + 1];
};

struct blob_id blob_id_new(void); // random
// Opens a new blob for writing; any thread.
MUST_CHECK int blob_create(const char *store_dir, const struct blob_id *id, struct err *err);
// Makes it durable: fdatasync of fd, fsync of its folder. Blocks: call it from a pool thread.
MUST_CHECK int blob_sync(const char *store_dir, const struct blob_id *id, int fd, struct err *err);
MUST_CHECK int blob_open(const char *store_dir, const struct blob_id *id, struct err *err);
void blob_remove(const char *store_dir, const struct blob_id *id); // best effort; the sweep remains
// Both block, for pool threads. blob_clone makes a second blob of the same bytes, durable, by a link
// where the file system can (a blob never changes), else by copying. blob_copy appends `size` bytes
// of `from` at `offset` to `to`, in the kernel where it can.
MUST_CHECK int blob_clone(const char *store_dir, int fd, const struct blob_id *id, struct err *err);
MUST_CHECK int blob_copy(int to, int from, uint64_t offset, uint64_t size, struct err *err);
MUST_CHECK int blob_write(int fd, struct str bytes, struct err *err); // all of them

// Names of blobs that a change left behind, to be removed after its commit.
struct blob_list {
    struct blob_id *at; // heap
    size_t count;
};
void blob_list_add(struct blob_list *list, struct str id); // the empty id is left out
void blob_list_done(struct blob_list *list);
void blob_list_remove(const char *store_dir, const struct blob_list *list); // the files

// Removes every blob for which is_used says no (0; 1 is yes, < 0 fails). Called at start, before requests are served.
MUST_CHECK int blob_sweep(const char *store_dir, int (*is_used)(void *ctx, const char *id),
                          void *ctx, uint64_t *ret_removed, struct err *err);
