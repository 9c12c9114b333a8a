// SPDX-License-Identifier: Apache-2.0
// A function over rouse.h for the tests. The event is one line of words, as a JSON string: what to do.
#include "rouse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void greet(const struct rouse_event *event, struct rouse_answer *answer, void *ctx)
{
    const char *word = event->bytes + (event->bytes[0] == '"'); // the JSON string's text
    size_t *count = ctx;
    ++*count;
    if (strncmp(word, "fail", 4) == 0) {
        rouse_answer_printf(answer, "half an answer");
        rouse_fail(answer, "Greeting\nError", "no \"greeting\" for %s\t\xff", "Bob");
    } else if (strncmp(word, "exit", 4) == 0) {
        exit(3);
    } else if (strncmp(word, "large", 5) == 0) {
        size_t size = strtoul(word + 5, NULL, 10);
        char *bytes = malloc(size);
        memset(bytes, 'x', size);
        rouse_answer_quote(answer, bytes, size);
        free(bytes);
    } else if (strncmp(word, "none", 4) == 0) {
        return;
    } else if (strncmp(word, "quote", 5) == 0) {
        static const char text[] =
            "a\"\\\n\x01 \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xff\xc0\x80\xed\xa0\x80 z";
        rouse_answer_quote(answer, text, sizeof text - 1);
    } else {
        printf("greeting %zu\n", *count);
        rouse_answer_printf(answer, "{\"size\": %zu, \"count\": %zu, \"requestId\": \"%s\", ",
                            event->size, *count, event->request_id);
        rouse_answer_printf(answer,
                            "\"arn\": \"%s\", \"left\": %s, \"client\": ", event->function_arn,
                            rouse_remaining_ms(event) > 0 ? "true" : "false");
        rouse_answer_quote(answer, event->client_context, strlen(event->client_context));
        rouse_answer_printf(answer, "}");
    }
}

int main(void)
{
    size_t count = 0;
    if (getenv("NO_MODEL")) {
        return rouse_init_failed("NoModel", "there is no model at \"%s\"", getenv("NO_MODEL"));
    }
    return rouse_run(greet, &count);
}
