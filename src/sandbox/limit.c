// SPDX-License-Identifier: Apache-2.0
// Walls that every Unix has: no privileges, and limits. The limits hold where cgroups cannot be
// written, and bound what cgroups do not: descriptors, and the size of a file.
#include "sandbox/calls.h"
#include "sandbox/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILES_OPEN_MAX 1024 // as Lambda
#define PROCESSES_MAX  1024 // as Lambda, threads included

void limit_privileges(struct jail_report *report)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        report_miss(report, JAIL_PRIVILEGES, "no_new_privs", errno);
    }
    for (unsigned long cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++) {
    }
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    if (syscall(SYS_capset, &header, none) < 0) {
        report_miss(report, JAIL_PRIVILEGES, "capabilities", errno);
    }
}

static void limit(struct jail_report *report, int resource, rlim_t most)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)resource, &now) < 0) {
        report_miss(report, JAIL_LIMITS, "limits", errno);
        return;
    }
    most = now.rlim_max < most ? now.rlim_max : most;
    struct rlimit want = {most, most};
    if (setrlimit((__rlimit_resource_t)resource, &want) < 0) {
        report_miss(report, JAIL_LIMITS, "limits", errno);
    }
}

// Bytes of data that the process has already: what its template has loaded is not its fault.
static uint64_t data_size(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long pages = 0;
    if (file) {
        if (fscanf(file, "%*u %*u %*u %*u %*u %llu", &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void limit_resources(const struct jail *jail, struct jail_report *report)
{
    uint64_t file = jail->file_size_max ? jail->file_size_max : jail->tmp_size;
    uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    limit(report, RLIMIT_CORE, 0);
    limit(report, RLIMIT_NOFILE, FILES_OPEN_MAX);
    limit(report, RLIMIT_FSIZE, file ? file : RLIM_INFINITY);
    if (!SANITIZED) {
        limit(report, RLIMIT_DATA, jail->memory_size ? data_size() + jail->memory_size : machine);
    }
}

void limit_processes(const struct jail *jail, struct jail_report *report)
{
    if (jail->kind == JAIL_LANGUAGE) {
        limit(report, RLIMIT_NPROC, PROCESSES_MAX);
    }
}
