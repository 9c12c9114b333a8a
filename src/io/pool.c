// SPDX-License-Identifier: Apache-2.0
// Threads for what blocks. They are started when work waits and nobody is free, and end after a
// while without any.
#include "io/pool.h"
#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#define POOL_IDLE_S 10

struct pool {
    struct loop *loop;
    pthread_mutex_t lock;
    pthread_cond_t wake; // work came, or closing
    pthread_cond_t gone; // a thread ended
    struct pool_work *first, **last;
    int threads, threads_max, waiting, queued;
    bool closing;
};

static void work_posted(struct post *post)
{
    struct pool_work *work = CONTAINER_OF(post, struct pool_work, post);
    work->on_done(work);
}

// With the lock held: the next work, or NULL when this thread should end.
static struct pool_work *work_wait(struct pool *pool)
{
    while (!pool->first) {
        if (pool->closing) {
            return NULL;
        }
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += POOL_IDLE_S;
        pool->waiting++;
        int rc = pthread_cond_timedwait(&pool->wake, &pool->lock, &until);
        pool->waiting--;
        if (rc == ETIMEDOUT && !pool->first) {
            return NULL;
        }
    }
    struct pool_work *work = pool->first;
    pool->first = work->next;
    pool->queued--;
    if (!pool->first) {
        pool->last = &pool->first;
    }
    return work;
}

static void *pool_thread(void *arg)
{
    struct pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    for (struct pool_work *work; (work = work_wait(pool));) {
        pthread_mutex_unlock(&pool->lock);
        work->run(work);
        work->post.on_posted = work_posted;
        loop_post(pool->loop, &work->post);
        pthread_mutex_lock(&pool->lock);
    }
    pool->threads--;
    pthread_cond_broadcast(&pool->gone);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

struct pool *pool_new(struct loop *loop, int threads_max)
{
    CHECK(threads_max > 0);
    struct pool *pool = NEW(struct pool);
    pool->loop = loop;
    pool->threads_max = threads_max;
    pool->last = &pool->first;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->gone, NULL);
    return pool;
}

// Signals are the core thread's business.
static void thread_start(struct pool *pool)
{
    sigset_t all, was;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &was);
    pthread_t thread;
    int rc = pthread_create(&thread, NULL, pool_thread, pool);
    pthread_sigmask(SIG_SETMASK, &was, NULL);
    if (rc == 0) {
        pthread_detach(thread);
        pool->threads++;
    }
    CHECK(pool->threads > 0); // work that nobody can do would wait for ever
}

void pool_submit(struct pool *pool, struct pool_work *work)
{
    work->next = NULL;
    pthread_mutex_lock(&pool->lock);
    CHECK(!pool->closing);
    *pool->last = work;
    pool->last = &work->next;
    pool->queued++;
    if (pool->queued > pool->waiting && pool->threads < pool->threads_max) {
        thread_start(pool);
    }
    pthread_cond_signal(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

void pool_free(struct pool *pool)
{
    if (!pool) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    pthread_cond_broadcast(&pool->wake);
    while (pool->threads > 0) {
        pthread_cond_wait(&pool->gone, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->wake);
    pthread_cond_destroy(&pool->gone);
    free(pool);
}
