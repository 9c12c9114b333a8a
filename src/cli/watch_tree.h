// SPDX-License-Identifier: Apache-2.0
// Folders whose files are watched: what changed is found by looking at names, sizes and times again, and
// inotify says when to look. So nothing is missed, however much happens at once, and nothing is
// reported that is as it was.
#pragma once

#include "base/err.h"
#include "base/map.h"

#include <stdbool.h>
#include <stdint.h>

struct watch_tree {
    int fd;           // of inotify, to be polled; -1 before the first look
    struct map files; // path → stamp, of the last look
    bool incomplete;  // some folder cannot be watched: the system's limit on watches
};

void watch_tree_init(struct watch_tree *tree);
void watch_tree_done(struct watch_tree *tree);

// Looks at all files below the roots but those of .git, .serverless and __pycache__ and editors' own.
// 1 when something differs from the last look (*ret_changed, heap, names one such file; NULL the first
// time), 0 when nothing does.
MUST_CHECK int watch_tree_look(struct watch_tree *tree, char *const *roots, char **ret_changed,
                               struct err *err);
// Takes what inotify has to say; called when fd is readable.
void watch_tree_drain(struct watch_tree *tree);
