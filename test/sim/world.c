// SPDX-License-Identifier: Apache-2.0
// What made-up worlds share: chance that follows from the seed, a folder for the database, and the
// words of one in which something does not hold.
#include "world.h"

#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

struct world *world;

uint64_t world_random(struct world *w)
{
    w->random += 0x9e3779b97f4a7c15u; // splitmix64
    uint64_t z = w->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

bool world_chance(struct world *w, int of_1000)
{
    return of_1000 > 0 && world_random(w) % 1000 < (uint64_t)of_1000;
}

int64_t world_between(struct world *w, int64_t least, int64_t most)
{
    return least + (int64_t)(world_random(w) % (uint64_t)(most - least + 1));
}

uint64_t world_number(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    uint64_t value = otherwise;
    return text && str_to_u64(str_of(text), &value) ? value : otherwise;
}

void world_dir_make(struct world *w)
{
    snprintf(w->dir, sizeof w->dir, "%s/rouse-sim-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    HOLDS(mkdtemp(w->dir), "no folder for the database");
}

static int remove_each(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st, (void)kind, (void)walk;
    return remove(path);
}

void world_dir_remove(struct world *w)
{
    nftw(w->dir, remove_each, 16, FTW_DEPTH | FTW_PHYS);
}

static void seed_say(int signal_number)
{
    signal(signal_number, SIG_DFL);
    world_dir_remove(world);
    fprintf(stderr, "again: ROUSE_SIM_SEED=%llu ROUSE_SIM_FAULT=%llu\n",
            (unsigned long long)world->seed, (unsigned long long)faults.fault_at);
    raise(signal_number);
}

void world_say_seed(void)
{
    signal(SIGABRT, seed_say);
}

_Noreturn void world_fail(const char *file, int line, const char *cond, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    fprintf(stderr, "%s:%d: at %.6f s: does not hold: %s: %s\n", file, line,
            (double)loop_now_us(world->loop) / 1e6, cond, text);
    abort();
}
