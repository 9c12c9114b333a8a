/* SPDX-License-Identifier: Apache-2.0
 * Functions in C, for Rouse and for AWS Lambda (runtime provided.al2023): the program asks the Lambda
 * Runtime API for events and answers them. It needs nothing but libc.
 *
 *     static void hello(const struct rouse_event *event, struct rouse_answer *answer, void *ctx)
 *     {
 *         rouse_answer_printf(answer, "{\"bytes\": %zu}", event->size);
 *     }
 *     int main(void) { return rouse_run(hello, NULL); }
 *
 *     cc -O2 -o bootstrap main.c rouse.c        (or, where Rouse is installed: main.c -lrouse)
 *
 * C99, and C++ that is linked to C. One thread; a handler that starts threads joins them. */
#ifndef ROUSE_H
#define ROUSE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What happened. All texts end in NUL and live until the handler returns; those that the caller did
 * not give are "". */
struct rouse_event {
    const char *bytes; /* the payload: JSON, usually */
    size_t size;       /* of it, without its NUL */
    const char *request_id, *function_arn, *trace_id;
    const char *client_context, *cognito_identity; /* JSON */
    int64_t deadline_ms;                           /* since 1970; rouse_remaining_ms */
};

struct rouse_answer;

/* Called for each event. What it writes into `answer` is sent when it returns; nothing is "null". */
typedef void rouse_handler(const struct rouse_event *event, struct rouse_answer *answer, void *ctx);

/* Appends to the answer: JSON, unless rouse_answer_type says another. */
void rouse_answer_add(struct rouse_answer *answer, const void *bytes, size_t size);
void rouse_answer_printf(struct rouse_answer *answer, const char *format, ...)
#ifdef __GNUC__
    __attribute__((format(printf, 2, 3)))
#endif
    ;
/* A text as a JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD. */
void rouse_answer_quote(struct rouse_answer *answer, const char *text, size_t size);
/* "application/json" unless given; the constant is kept, not copied. */
void rouse_answer_type(struct rouse_answer *answer, const char *content_type);

/* The function fails with errorType and errorMessage, whatever the answer holds; the last one counts. */
void rouse_fail(struct rouse_answer *answer, const char *type, const char *format, ...)
#ifdef __GNUC__
    __attribute__((format(printf, 3, 4)))
#endif
    ;

/* Until the event's time is over; 0 when it is. */
int64_t rouse_remaining_ms(const struct rouse_event *event);

/* Answers events for as long as there are any, which is for ever, unless the Runtime API is not there:
 * then it says so on standard error and returns 1, for main to return. */
int rouse_run(rouse_handler *handler, void *ctx);

/* Instead of rouse_run: the function cannot start (a model is missing, say). Returns 1. */
int rouse_init_failed(const char *type, const char *format, ...)
#ifdef __GNUC__
    __attribute__((format(printf, 2, 3)))
#endif
    ;

#ifdef __cplusplus
}
#endif
#endif
