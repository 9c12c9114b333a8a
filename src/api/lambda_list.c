// SPDX-License-Identifier: Apache-2.0
// One page of a list, as every List… operation of Lambda gives it: MaxItems, Marker, NextMarker.
#include "api/lambda.h"

#define MARKER_MAX 1024

// The item that Marker names; the first without one.
static int page_begin(struct lambda_call *call, const struct lambda_listing *list, size_t *ret,
                      struct err *err)
{
    CLEAN(buf_done) struct buf marker = BUF_INIT(MARKER_MAX);
    CLEAN(buf_done) struct buf mark = BUF_INIT(MARKER_MAX);
    size_t at = 0;
    if (lambda_param(call, "Marker", &marker) && marker.size > 0) {
        for (; at < list->count; at++) {
            buf_clear(&mark);
            list->mark(list->ctx, at, &mark);
            if (str_eq(buf_str(&mark), buf_str(&marker))) {
                break;
            }
        }
        if (at == list->count) {
            return err_aws(err, ERR_INVALID, "InvalidParameterValueException", "Invalid Marker");
        }
    }
    *ret = at;
    return 0;
}

int lambda_list(struct lambda_call *call, const struct lambda_listing *list, struct err *err)
{
    int64_t most = list->items_max < LAMBDA_LIST_ITEMS ? list->items_max : LAMBDA_LIST_ITEMS;
    size_t at = 0;
    TRY(lambda_param_int(call, "MaxItems", 1, list->items_max, &most, err));
    TRY(page_begin(call, list, &at, err));
    CLEAN_JSON json_t *answer = json_object();
    json_t *shown = json_array();
    for (int64_t n = 0; n < most && at < list->count; n++, at++) {
        json_array_append_new(shown, list->item(list->ctx, at));
    }
    if (at < list->count) {
        CLEAN(buf_done) struct buf mark = BUF_INIT(MARKER_MAX);
        list->mark(list->ctx, at, &mark);
        json_put_str(answer, "NextMarker", buf_str(&mark));
    }
    json_put(answer, list->member, shown);
    lambda_reply(call, 200, answer);
    return 0;
}
