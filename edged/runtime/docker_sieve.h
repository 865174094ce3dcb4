/* SPDX-License-Identifier: MIT */
/*
 * Thins out JSON as it comes: of the objects that are the value of a certain member, such as all
 * "Labels", only some members pass, and what nobody reads becomes null. Containers inherit labels,
 * commands, ports and more from their images, whose makers may have put megabytes into them, and
 * the Engine tells them all with each list and event. What comes out is JSON if what goes in is;
 * the reader of the result checks it. Inside runtime/ only.
 */
#ifndef RUNTIME_DOCKER_SIEVE_H
#define RUNTIME_DOCKER_SIEVE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "runtime/docker_quote.h"

#include <stdbool.h>
#include <stddef.h>

#define DOCKER_SIEVE_NAME_MAX 32 /* bytes of the object's name */

struct docker_sieve_rule {
    const char *object; /* name of the member whose value is thinned out */
    /* Only members pass whose names begin so; NULL: none. With a '"' at its end it is all of the
     * name. */
    const char *keep;
    const char *const *emptied; /* names of members whose values become null; NULL ends them */
    size_t room;        /* bytes that pass of one object; members beyond them go; 0: any number */
    const char *always; /* name of the member that passes nevertheless */
};

struct docker_sieve {
    const struct docker_sieve_rule *rule;
    int state;
    size_t depth; /* of open objects and arrays, below the thinned one while in it */
    struct docker_quote quote;
    bool any, any_before;             /* a member of the thinned object has passed */
    size_t begun;                     /* where in the output the present member begins */
    size_t passed, member_len;        /* bytes of the object and of the present member */
    bool named;                       /* the present member's name has passed */
    char name[DOCKER_SIEVE_NAME_MAX]; /* the last string, or its beginning */
    size_t name_len;                  /* of the whole string */
    size_t matched;                   /* bytes of rule->keep */
};

/* Of the labels of containers the one that tells whether they are ours; those of edgeAgent; and
 * none. Besides, all leave out what images and createOptions can make long. */
extern const struct docker_sieve_rule docker_owner_label, docker_edge_labels, docker_no_labels;

/* The rule is borrowed. */
void docker_sieve_init(struct docker_sieve *s, const struct docker_sieve_rule *rule);

/* Appends what passes. Where the rule has a room, out must still hold the rest of what passed.
 * Errors: as of buf_append. */
enum edge_code docker_sieve_feed(struct docker_sieve *s, struct slice bytes, struct buf *out,
                                 struct edge_error *err) EDGE_NODISCARD;

#endif
