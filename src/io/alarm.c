// SPDX-License-Identifier: Apache-2.0
// timerfd on CLOCK_REALTIME with TFD_TIMER_CANCEL_ON_SET, which becomes readable (ECANCELED) when
// somebody sets the clock.
#include "io/alarm.h"
#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void alarm_ready(struct watch *watch, uint32_t events)
{
    (void)events;
    struct alarm *alarm = CONTAINER_OF(watch, struct alarm, watch);
    uint64_t expirations = 0;
    ssize_t got = read(watch->fd, &expirations, sizeof expirations);
    if (got > 0 || errno == ECANCELED) {
        alarm->on_due(alarm);
    }
}

static void alarm_timer_due(struct timer *timer)
{
    struct alarm *alarm = CONTAINER_OF(timer, struct alarm, timer);
    alarm->on_due(alarm);
}

int alarm_init(struct alarm *alarm, struct loop *loop, struct err *err)
{
    alarm->loop = loop;
    alarm->timer.on_due = alarm_timer_due;
    alarm->watch = (struct watch){.fd = -1, .on_ready = alarm_ready};
    if (loop_kind(loop) == LOOP_SIMULATED) {
        return 0;
    }
    alarm->watch.fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (alarm->watch.fd < 0) {
        return err_errno(err, ERR_IO, errno, "cannot make a timer");
    }
    return loop_watch(loop, &alarm->watch, EPOLLIN, err);
}

void alarm_done(struct alarm *alarm)
{
    if (alarm->loop) {
        timer_stop(alarm->loop, &alarm->timer);
        loop_unwatch(alarm->loop, &alarm->watch);
        fd_clean(&alarm->watch.fd);
        alarm->loop = NULL;
    }
}

void alarm_set(struct alarm *alarm, int64_t wall_ms)
{
    if (alarm->watch.fd < 0) {
        if (wall_ms > 0) {
            int64_t delay_ms = wall_ms - loop_wall_ms(alarm->loop);
            timer_start(alarm->loop, &alarm->timer, delay_ms > 0 ? delay_ms * 1000 : 0);
        } else {
            timer_stop(alarm->loop, &alarm->timer);
        }
        return;
    }
    struct itimerspec when = {
        .it_value = {.tv_sec = wall_ms / 1000, .tv_nsec = wall_ms % 1000 * 1000000}};
    int flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
    int rc = timerfd_settime(alarm->watch.fd, flags, &when, NULL);
    // ECANCELED: the clock was set since the last look; the alarm is armed all the same.
    CHECK(rc == 0 || errno == ECANCELED);
}
