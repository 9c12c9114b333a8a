// SPDX-License-Identifier: Apache-2.0
// The server's store of models, for `rouse model push | ls | rm` and for deploy: objects of a bucket, each
// with the SHA-256 of its bytes as its key, so that what is there is never sent again.
//
//     rouse-models/<64 hexadecimal digits>    a model
//     rouse-models/names/<name>               the digits of the model with that name
#pragma once

#include "cli/remote.h"

#define MODEL_BUCKET    "rouse-models"
#define MODEL_NAMES     "names/"
#define MODEL_DIGEST    64
#define MODEL_PART_SIZE (16u * 1024 * 1024) // of a larger model that is sent in parts

struct model_file {
    const char *path;
    char digest[MODEL_DIGEST + 1]; // SHA-256
    uint64_t size;
};

// Fills digest and size of the file at file->path, which is read.
MUST_CHECK int model_file_read(struct model_file *file, struct err *err);
// 1 when the model is in the store, 0 when not.
MUST_CHECK int model_store_has(struct remote *remote, const char *digest, struct err *err);
// Makes the bucket when there is none.
MUST_CHECK int model_store_make(struct remote *remote, struct err *err);
// Sends the model; parts that an interrupted push has left there are taken, and counted in *ret_kept.
MUST_CHECK int model_store_put(struct remote *remote, const struct model_file *file,
                               unsigned *ret_kept, struct err *err);
// A file of a package that stands for the model: a line. Heap.
char *model_reference(const struct model_file *file);

// "48.0 MB of 98.0 MB" on a terminal as it goes, and in a pipe a line for each tenth.
struct model_progress {
    const char *what; // "pushing model.onnx"
    uint64_t total, tenth;
};
void model_progress_tell(struct model_progress *progress, uint64_t done);

// http:// or https://, to a file in the user's cache, which is the caller's to remove; a part of it that an
// interrupted fetch has left is taken. ERR_INVALID when the bytes do not have that digest.
MUST_CHECK int model_fetch(const char *url, const char *digest, char **ret_path, struct err *err);

// Words of `rouse model`.
int model_push(const struct args *args, struct err *err);
int model_ls(const struct args *args, struct err *err);
int model_rm(const struct args *args, struct err *err);
#define MODEL_STORE_OPTIONS                                                                        \
    {"sha256", 0, "DIGEST", "push: the digest that the model must have"},                          \
    {                                                                                              \
        "name", 'n', "NAME", "push: a name for it, as letters, digits and . _ - :"                 \
    }
