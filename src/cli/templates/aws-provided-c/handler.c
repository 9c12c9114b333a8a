// A function in C. rouse.h says what there is; rouse.c speaks to whoever runs it.
#include "rouse.h"

#include <stdio.h>
#include <stdlib.h>

// Called for each event: its JSON is event->bytes, event->size of them. What is added to the answer is
// JSON again. Parse with whatever library you like; this one puts the event into its answer as it is.
static void hello(const struct rouse_event *event, struct rouse_answer *answer, void *ctx)
{
    const char *greeting = ctx;
    if (event->size == 0) {
        rouse_fail(answer, "NoEvent", "an event was expected");
        return;
    }
    printf("greeting, with %lld ms left\n", (long long)rouse_remaining_ms(event)); // to the log
    rouse_answer_printf(answer, "{\"message\": \"%s from C!\", \"event\": ", greeting);
    rouse_answer_add(answer, event->bytes, event->size);
    rouse_answer_printf(answer, ", \"requestId\": \"%s\"}", event->request_id);
}

// What stands here runs once, before the first event: open models and tables, connect.
int main(void)
{
    char *greeting = getenv("GREETING");
    return rouse_run(hello, greeting ? greeting : "Hello");
}
