// SPDX-License-Identifier: Apache-2.0
// Private to sandbox/: one function a wall, in the order in which they go up. None fails for a wall
// that is denied: it says so in the report.
#pragma once

#include "sandbox/jail.h"

void report_miss(struct jail_report *report, enum jail_wall wall, const char *what, int error);

// ---- space.c: namespaces ----

struct space {      // where this process is
    bool user_made; // in a user namespace made by jail_fork or space_enter, not mapped yet
    bool mapped;
    bool processes;  // in a pid namespace of ours
    bool privileged; // has the capabilities to make namespaces without a new user namespace
    uid_t uid;       // outside of the user namespace that is being made
    gid_t gid;
    int self; // the folder /proc/self of the host, while its users are not mapped
};

bool space_privileged(void);
pid_t space_fork(struct space *space, bool user, int *ret_error); // ret_error: why no namespaces
void space_enter(struct space *space, const struct jail *jail, struct jail_report *report);
// New namespaces, users as they are: private mounts, and no network unless it is open. 0 or -errno.
int space_libraries(struct space *space, bool network_open);
// Gives up root's identity, in a user namespace that owns nothing. After the root is built.
void space_unprivilege(struct space *space, uid_t uid, struct jail_report *report);
int space_listen(int port);  // in the new network; fd or -errno
uid_t space_spare_uid(void); // that nobody else has; while the host's /proc is there

// ---- root.c: what it sees of the file system ----

void root_prepare(void); // once, in the process that forks others
// Fails only when the function's own folders cannot be had; `nested`: in a root of ours already.
MUST_CHECK int root_enter(const struct jail *jail, bool nested, struct jail_report *report,
                          struct err *err);
// In a mount namespace of its own: all is read-only but /proc, a new /tmp and /dev/shm. 0 or -errno.
int root_read_only(const char **ret_what);
extern const char *const root_system[]; // what interpreters need, NULL-terminated: /usr, …
extern const char *const root_etc[];    // names below /etc, NULL-terminated

// ---- land.c: Landlock ----

int land_abi(void); // or -errno
MUST_CHECK int land_enter(const struct jail *jail, struct jail_report *report, struct err *err);

// ---- limit.c ----

void limit_privileges(struct jail_report *report);
void limit_resources(const struct jail *jail, struct jail_report *report);
void limit_processes(const struct jail *jail, struct jail_report *report); // of its user namespace
