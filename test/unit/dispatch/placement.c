// SPDX-License-Identifier: Apache-2.0
// The policy of placement: one rule a test, then random lives with what must hold in all of them.
#include "dispatch/placement.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define CPU    0
#define GPU    1
#define MS     1000ll
#define SECOND (1000 * MS)

struct fixture {
    struct placement p;
    struct placement_costs costs;
    int64_t now_us, back_us;
};

static int setup(void **state)
{
    struct fixture *f = NEW(struct fixture);
    placement_add(&f->p, 1);
    placement_add(&f->p, 1);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static bool put(struct fixture *f, int64_t size, struct placed *placed)
{
    return placement_put(&f->p, &f->costs, size, 0, f->now_us, placed, &f->back_us);
}

// Places a job, runs it at once and tells where it was.
static int run(struct fixture *f, int64_t size, int64_t cpu_us, int64_t gpu_us)
{
    struct placed placed = {0};
    assert_true(put(f, size, &placed));
    int64_t took_us = placed.device == CPU ? cpu_us : gpu_us;
    placement_begin(&f->p, &placed, f->now_us);
    f->now_us += took_us;
    placement_end(&f->p, &f->costs, &placed, took_us);
    return placed.device;
}

static void teach(struct fixture *f, int64_t size, int64_t cpu_us, int64_t gpu_us)
{
    for (int i = 0; i < 10; i++) {
        (void)run(f, size, cpu_us, gpu_us);
    }
}

static void sizes_fall_into_half_octaves(void **state)
{
    (void)state;
    static const int64_t first[] = {0, 2, 3, 4, 6, 8, 12, 16, 24};
    for (size_t i = 1; i < ARRAY_SIZE(first); i++) {
        assert_int_equal(placement_bucket(first[i]), i);
        assert_int_equal(placement_bucket(first[i] - 1), i - 1);
    }
    assert_int_equal(placement_bucket(0), 0);
    assert_int_equal(placement_bucket(1 << 24), PLACEMENT_BUCKETS - 1);
    assert_int_equal(placement_bucket((1 << 24) - 1), PLACEMENT_BUCKETS - 2);
    assert_int_equal(placement_bucket(INT64_MAX), PLACEMENT_BUCKETS - 1);
}

static void short_and_long_part_by_what_they_cost(void **state)
{
    struct fixture *f = *state;
    teach(f, 8, 1 * MS, 3 * MS);
    teach(f, 512, 900 * MS, 4 * MS);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(run(f, 8, 1 * MS, 3 * MS), CPU);
        assert_int_equal(run(f, 512, 900 * MS, 4 * MS), GPU);
    }
}

static void a_busy_device_spills_over(void **state)
{
    struct fixture *f = *state;
    struct placed jobs[8] = {{0}};
    int on_cpu = 0;
    teach(f, 64, 10 * MS, 4 * MS);
    for (int i = 0; i < 8; i++) { // 4, 8, then 10 on the other: 12 would be later; …
        assert_true(put(f, 64, &jobs[i]));
        on_cpu += jobs[i].device == CPU;
        assert_int_equal(jobs[i].device, i == 2 || i == 5 ? CPU : GPU);
    }
    assert_int_equal(on_cpu, 2);
}

static void within_its_target_a_job_waits_for_who_does_it_cheaply(void **state)
{
    struct fixture *f = *state;
    struct placed jobs[9] = {{0}};
    teach(f, 64, 10 * MS, 4 * MS);
    f->costs.target_us = 40 * MS; // three parts of four: 30 ms
    for (int i = 0; i < 8; i++) {
        assert_true(put(f, 64, &jobs[i]));
        assert_int_equal(jobs[i].device, i < 7 ? GPU : CPU);
    }
    f->costs.target_us = 0;
}

static void who_has_waited_has_less_time_left(void **state)
{
    struct fixture *f = *state;
    struct placed first = {0}, second = {0};
    teach(f, 64, 10 * MS, 8 * MS);
    f->costs.target_us = 40 * MS;
    assert_true(put(f, 64, &first));
    assert_int_equal(first.device, GPU);
    assert_true(placement_put(&f->p, &f->costs, 64, 18 * MS, f->now_us, &second, &f->back_us));
    assert_int_equal(second.device, CPU);
}

static void what_runs_already_is_owed_less(void **state)
{
    struct fixture *f = *state;
    struct placed first = {0};
    teach(f, 64, 100 * MS, 40 * MS);
    assert_true(put(f, 64, &first));
    placement_begin(&f->p, &first, f->now_us);
    assert_int_equal(placement_expect(&f->p, &f->costs, GPU, 64, f->now_us), 80 * MS);
    f->now_us += 30 * MS;
    assert_int_equal(placement_expect(&f->p, &f->costs, GPU, 64, f->now_us), 50 * MS);
    f->now_us += 300 * MS; // it is overdue, and might end at any time
    assert_int_equal(placement_expect(&f->p, &f->costs, GPU, 64, f->now_us), 40 * MS);
}

static void a_model_that_must_be_loaded_first_counts(void **state)
{
    struct fixture *f = *state;
    teach(f, 64, 100 * MS, 40 * MS);
    placement_loaded(&f->costs, CPU, 10 * MS);
    placement_loaded(&f->costs, GPU, 500 * MS);
    assert_int_equal(run(f, 64, 100 * MS, 40 * MS), GPU);
    placement_unloaded(&f->costs, GPU);
    assert_int_equal(run(f, 64, 100 * MS, 40 * MS), CPU);
}

static void a_size_is_tried_by_one_job_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct placed jobs[6] = {{0}};
    f->p.devices[CPU].slots = f->p.devices[GPU].slots = 6;
    int tries[2] = {0};
    for (int i = 0; i < 6; i++) {
        assert_true(put(f, 64, &jobs[i]));
        tries[jobs[i].device] += jobs[i].tries;
    }
    assert_int_equal(tries[CPU], 1);
    assert_int_equal(tries[GPU], 1);
}

static void what_neighbours_say_is_hopeless_is_not_tried(void **state)
{
    struct fixture *f = *state;
    teach(f, 256, 900 * MS, 4 * MS);
    struct placement_cost *larger = &f->costs.at[CPU][placement_bucket(384)];
    for (int i = 0; i < 50; i++) {
        assert_int_equal(run(f, 384, 1400 * MS, 6 * MS), GPU);
    }
    assert_int_equal(larger->tries, 0);
}

static void what_was_slow_once_is_looked_at_again(void **state)
{
    struct fixture *f = *state;
    teach(f, 64, 10 * MS, 40 * MS); // the GPU was disturbed
    int on_gpu = 0;
    for (int i = 0; i < 20000; i++) {
        on_gpu += run(f, 64, 10 * MS, 1 * MS) == GPU;
    }
    assert_true(on_gpu > 0); // one of 1,024 looks, and in the end it is known to be the better one
    assert_int_equal(run(f, 64, 10 * MS, 1 * MS), GPU);
}

static void a_fixed_threshold_is_kept(void **state)
{
    struct fixture *f = *state;
    f->costs.threshold = 100;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(run(f, 100, 50 * MS, 1 * MS), CPU);
        assert_int_equal(run(f, 101, 1 * MS, 50 * MS), GPU);
    }
    struct placed lost = {0};
    assert_true(put(f, 101, &lost));
    placement_lost(&f->p, &f->costs, &lost, true, f->now_us);
    assert_int_equal(run(f, 101, 1 * MS, 50 * MS), CPU); // better there than nowhere
}

static void a_device_that_fails_is_out_and_tried_again(void **state)
{
    struct fixture *f = *state;
    int64_t wait_us = 1 * SECOND;
    teach(f, 64, 10 * MS, 1 * MS);
    for (int failures = 1; failures < 12; failures++) {
        struct placed job = {0};
        assert_true(put(f, 64, &job));
        assert_int_equal(job.device, GPU);
        placement_lost(&f->p, &f->costs, &job, true, f->now_us);
        int64_t out_us = f->now_us;
        assert_int_equal(f->p.devices[GPU].back_us, out_us + wait_us);
        assert_true(put(f, 64, &job)); // the same job, elsewhere
        assert_int_equal(job.device, CPU);
        placement_end(&f->p, &f->costs, &job, 10 * MS);
        f->now_us = out_us + wait_us - 20 * MS;
        assert_int_equal(run(f, 64, 10 * MS, 1 * MS), CPU);
        f->now_us = out_us + wait_us;
        wait_us *= failures < 9 ? 2 : 1;
    }
    struct placed trial = {0}, other = {0};
    assert_true(put(f, 64, &trial));
    assert_true(put(f, 64, &other));
    assert_int_equal(trial.device, GPU);
    assert_int_equal(other.device, CPU); // one is enough to find out
    placement_end(&f->p, &f->costs, &trial, 1 * MS);
    placement_end(&f->p, &f->costs, &other, 10 * MS);
    assert_int_equal(run(f, 64, 10 * MS, 1 * MS), GPU);
    assert_int_equal(f->p.devices[GPU].failures, 0);
}

static void a_job_that_fails_by_itself_takes_no_device_out(void **state)
{
    struct fixture *f = *state;
    struct placed job = {0};
    teach(f, 64, 10 * MS, 1 * MS);
    assert_true(put(f, 64, &job));
    placement_lost(&f->p, &f->costs, &job, false, f->now_us);
    assert_false(f->p.devices[GPU].out);
    assert_true(put(f, 64, &job));
    assert_int_equal(job.device, CPU); // not twice in the same place
    placement_lost(&f->p, &f->costs, &job, false, f->now_us);
    assert_false(put(f, 64, &job));
    assert_int_equal(f->back_us, 0); // it has been everywhere
}

static void when_all_are_out_it_is_told_until_when(void **state)
{
    struct fixture *f = *state;
    struct placed a = {0}, b = {0}, c = {0};
    teach(f, 64, 10 * MS, 1 * MS);
    assert_true(put(f, 64, &a));
    placement_lost(&f->p, &f->costs, &a, true, f->now_us);
    f->now_us += 100 * MS;
    assert_true(put(f, 64, &b));
    placement_lost(&f->p, &f->costs, &b, true, f->now_us);
    assert_false(put(f, 64, &c));
    assert_int_equal(f->back_us, f->now_us + 900 * MS);
    f->now_us = f->back_us;
    assert_true(put(f, 64, &c));
    assert_int_equal(c.device, GPU);
}

// ---- what always holds

struct life {
    struct placed placed;
    int64_t size;
    bool live;
};

static uint64_t random_next(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return *state >> 33;
}

static void books_balance(const struct fixture *f, const struct life *lives, size_t count)
{
    for (int d = 0; d < (int)f->p.count; d++) {
        const struct placement_device *device = &f->p.devices[d];
        int running = 0, waiting = 0, trials = 0, tries = 0;
        for (size_t i = 0; i < count; i++) {
            bool here = lives[i].live && lives[i].placed.device == d;
            running += here && lives[i].placed.begun;
            waiting += here && !lives[i].placed.begun;
            trials += here && lives[i].placed.on_trial;
            tries += here && lives[i].placed.tries;
        }
        assert_int_equal(device->running, running);
        assert_int_equal(device->waiting, waiting);
        assert_true(trials <= 1 && tries <= 1);
        assert_int_equal(device->on_trial, trials);
        assert_true(waiting || device->waiting_us == 0);
        assert_true(running || device->running_until == 0);
    }
}

static void step(struct fixture *f, struct life *life, uint64_t *seed, int *placed, int *ended)
{
    uint64_t dice = random_next(seed) % 100;
    f->now_us += (int64_t)(random_next(seed) % (20 * MS));
    if (!life->live) {
        struct placement before = f->p;
        *life = (struct life){.size = (int64_t)(1 << random_next(seed) % 12)};
        life->live = put(f, life->size, &life->placed);
        *placed += life->live;
        const struct placement_device *device = &before.devices[life->placed.device];
        // Never where it is out, but for the one that finds out.
        assert_true(!life->live || !device->out ||
                    (life->placed.on_trial && device->back_us <= f->now_us && !device->on_trial));
        assert_true(life->live || f->back_us > f->now_us);
    } else if (dice < 5) {
        uint32_t lost_on = life->placed.lost_on | 1u << life->placed.device;
        placement_lost(&f->p, &f->costs, &life->placed, dice < 3, f->now_us);
        life->live = put(f, life->size, &life->placed);
        assert_int_equal(life->placed.lost_on, lost_on);
        assert_true(!life->live || !(lost_on & 1u << life->placed.device));
        *ended += !life->live;
    } else if (dice < 50) {
        placement_begin(&f->p, &life->placed, f->now_us);
    } else {
        placement_end(&f->p, &f->costs, &life->placed, (int64_t)(random_next(seed) % SECOND));
        life->live = false;
        *ended += 1;
    }
}

static void random_lives_keep_the_books(void **state)
{
    (void)state;
    for (uint64_t run_seed = 1; run_seed <= 30; run_seed++) {
        struct fixture f = {0};
        struct life lives[24] = {{{0}}};
        uint64_t seed = run_seed;
        int placed = 0, ended = 0;
        for (uint64_t i = 0; i < 1 + run_seed % PLACEMENT_DEVICES_MAX; i++) {
            placement_add(&f.p, (int)(1 + random_next(&seed) % 3));
        }
        for (int i = 0; i < 3000; i++) {
            step(&f, &lives[random_next(&seed) % ARRAY_SIZE(lives)], &seed, &placed, &ended);
            books_balance(&f, lives, ARRAY_SIZE(lives));
        }
        int live = 0;
        for (size_t i = 0; i < ARRAY_SIZE(lives); i++) {
            live += lives[i].live;
        }
        assert_int_equal(placed, ended + live); // each exactly once
    }
}

static void converges_to_the_cheaper_device_of_each_size(void **state)
{
    (void)state;
    for (uint64_t run_seed = 1; run_seed <= 20; run_seed++) {
        struct fixture f = {0};
        uint64_t seed = run_seed;
        int64_t cost[3][12];
        int wrong = 0;
        for (int d = 0; d < 3; d++) {
            placement_add(&f.p, 1);
            int64_t fixed = (int64_t)(random_next(&seed) % (5 * MS)) + MS;
            int64_t each = (int64_t)(random_next(&seed) % (2 * MS)) + 10;
            for (int b = 0; b < 12; b++) { // at most proportional to the size, as guesses believe
                cost[d][b] = fixed + each * (1 << b);
            }
        }
        for (int i = 0; i < 4000; i++) {
            int b = (int)(random_next(&seed) % 12), best = 0;
            struct placed placed = {0};
            assert_true(put(&f, 1 << b, &placed));
            int64_t took_us = cost[placed.device][b];
            placement_end(&f.p, &f.costs, &placed, took_us);
            for (int d = 1; d < 3; d++) {
                best = cost[d][b] < cost[best][b] ? d : best;
            }
            wrong += i >= 2000 && cost[placed.device][b] > cost[best][b] && !placed.tries;
        }
        assert_int_equal(wrong, 0);
    }
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sizes_fall_into_half_octaves),
        TEST(short_and_long_part_by_what_they_cost),
        TEST(a_busy_device_spills_over),
        TEST(within_its_target_a_job_waits_for_who_does_it_cheaply),
        TEST(who_has_waited_has_less_time_left),
        TEST(what_runs_already_is_owed_less),
        TEST(a_model_that_must_be_loaded_first_counts),
        TEST(a_size_is_tried_by_one_job_at_a_time),
        TEST(what_neighbours_say_is_hopeless_is_not_tried),
        TEST(what_was_slow_once_is_looked_at_again),
        TEST(a_fixed_threshold_is_kept),
        TEST(a_device_that_fails_is_out_and_tried_again),
        TEST(a_job_that_fails_by_itself_takes_no_device_out),
        TEST(when_all_are_out_it_is_told_until_when),
        TEST(random_lives_keep_the_books),
        TEST(converges_to_the_cheaper_device_of_each_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
