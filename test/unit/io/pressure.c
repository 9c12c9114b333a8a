// SPDX-License-Identifier: Apache-2.0
// When memory counts as short: little is left of the machine's, or of the container's.
#include "io/pressure.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define V1 "/sys/fs/cgroup/memory"

static char root[64];

static void put(const char *file, const char *text)
{
    CLEAN_MEM char *path = mem_printf("%s%s", root, file);
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = 0;
        (void)mkdir(path, 0755);
        *slash = '/';
    }
    assert_int_equal(file_write(path, str_of(text), 0644, NULL), 0);
}

static int setup(void **state)
{
    (void)state;
    memcpy(root, "/tmp/rouse-pressure-XXXXXX", sizeof "/tmp/rouse-pressure-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    static const char *const left[] = {"/proc/meminfo",
                                       "/proc",
                                       "/sys/fs/cgroup/memory.max",
                                       "/sys/fs/cgroup/memory.current",
                                       V1 "/memory.limit_in_bytes",
                                       V1 "/memory.usage_in_bytes",
                                       V1,
                                       "/sys/fs/cgroup",
                                       "/sys/fs",
                                       "/sys",
                                       ""};
    for (size_t i = 0; i < ARRAY_SIZE(left); i++) {
        CLEAN_MEM char *path = mem_printf("%s%s", root, left[i]);
        (void)remove(path);
    }
    return access(root, F_OK) < 0 ? 0 : -1;
}

#define PLENTY "MemTotal:  1000000 kB\nMemFree:  10 kB\nMemAvailable:  500000 kB\nSwapTotal: 0 kB\n"

static void the_machine_counts(void **state)
{
    (void)state;
    assert_true(pressure_little_left(root)); // nothing is known but that tasks stall
    put("/proc/meminfo", PLENTY);
    assert_false(pressure_little_left(root));
    put("/proc/meminfo", "MemTotal:  1000000 kB\nMemAvailable:  124999 kB\n");
    assert_true(pressure_little_left(root));
}

static void the_container_counts(void **state)
{
    (void)state;
    put("/proc/meminfo", PLENTY);
    put("/sys/fs/cgroup/memory.max", "max\n");
    put("/sys/fs/cgroup/memory.current", "999999999\n");
    assert_false(pressure_little_left(root));
    put("/sys/fs/cgroup/memory.max", "1000000000\n");
    assert_true(pressure_little_left(root));
    put("/sys/fs/cgroup/memory.current", "800000000\n");
    assert_false(pressure_little_left(root));
    put(V1 "/memory.limit_in_bytes", "9223372036854771712\n");
    put(V1 "/memory.usage_in_bytes", "800000000\n");
    assert_false(pressure_little_left(root));
    put(V1 "/memory.limit_in_bytes", "800000000\n");
    assert_true(pressure_little_left(root));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_machine_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(the_container_counts, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
