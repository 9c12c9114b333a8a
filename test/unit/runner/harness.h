// SPDX-License-Identifier: Apache-2.0
// Drives a real rouse-runner over its sockets, as the server does.
#pragma once

#include "base/buf.h"
#include "wire/wire.h"

#include <sys/types.h>

struct process {
    pid_t pid;
    int socket; // the server's end
    int pidfd;  // -1: a child of ours, waited for by process_end
};

struct object { // of an S3 record; bytes.at == NULL: missing
    const char *key;
    struct str bytes;
};

struct answer {
    bool lost; // the process ended instead
    bool failed;
    char type[64], message[512];
    struct buf payload;
    uint64_t memory_kb;
};
void answer_done(struct answer *answer);

// Folders: "/tmp/rouse-runner-XXXXXX", removed with all files in them.
char *folder_new(void);
void folder_put(const char *folder, const char *name, struct str bytes);
void folder_copy(const char *folder, const char *name, const char *from);
void folder_remove(char *folder);

struct str file_whole(const char *path);  // heap; at == NULL when it is not there
char *repository_path(const char *below); // of a file of this repository
char *shared_path(const char *below);     // of the test data beside it; NULL when absent

// False, and says so, when the runner has no ONNX Runtime on this machine.
bool have_engine(void);

// Runs the program to its end; its standard output. The exit status in *ret_status.
char *runner_output(char *const args[], int *ret_status);

struct process template_start(void); // READY has come
// SPAWN and the READY that follows. When it cannot serve, why[] says so (else it is empty) and the
// process has no socket.
struct process process_spawn(struct process *from, enum wire_role role, const char *package,
                             const char *prepared, char why[512]);
void process_end(struct process *process); // closes the socket, waits until it is gone

// One job, and its answer. `deadline_us` 0: none.
struct answer ask(struct process *instance, struct str payload, const struct object *objects,
                  size_t count);
void ask_send(struct process *instance, uint64_t id, struct str payload,
              const struct object *objects, size_t count);
struct answer ask_receive(struct process *instance, uint64_t id);

// Threads that are ours: without the one that ThreadSanitizer adds.
int thread_count(pid_t pid);

// Sanitizers end a process that asks for too much memory, whatever the engine would have done.
bool memory_is_watched(void);
