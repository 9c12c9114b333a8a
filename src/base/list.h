// SPDX-License-Identifier: Apache-2.0
// An intrusive, circular, doubly linked list. Embed a `struct list` in the element; a `struct list`
// that is only a head is initialised with list_init. An element that is in no list points to
// itself, so list_remove is safe to call twice after list_init.
#pragma once

#include "base/mem.h"

#include <stdbool.h>

struct list {
    struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_insert_before(struct list *at, struct list *item)
{
    item->prev = at->prev;
    item->next = at;
    at->prev->next = item;
    at->prev = item;
}

static inline void list_push_back(struct list *head, struct list *item)
{
    list_insert_before(head, item);
}

static inline void list_push_front(struct list *head, struct list *item)
{
    list_insert_before(head->next, item);
}

static inline void list_remove(struct list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    list_init(item);
}

#define LIST_FIRST(head, type, member)                                                             \
    (list_empty(head) ? NULL : CONTAINER_OF((head)->next, type, member))

// Walks `var`; the body may remove and free it, but no other element.
#define LIST_EACH(var, head, type, member)                                                         \
    for (type *var = CONTAINER_OF((head)->next, type, member),                                     \
              *var##_next_ = CONTAINER_OF(var->member.next, type, member);                         \
         &var->member != (head);                                                                   \
         var = var##_next_, var##_next_ = CONTAINER_OF(var->member.next, type, member))
