/* SPDX-License-Identifier: MIT */
/*
 * The conformance table: requests as bytes, and what must come back. Read by the test of the
 * connection (any split of the bytes, in memory) and by the runner against a real server.
 */
#ifndef CONFORMANCE_HTTP_CASES_H
#define CONFORMANCE_HTTP_CASES_H

#include <stdbool.h>
#include <stddef.h>

struct http_case {
    const char *name;
    const char *head;
    size_t head_len;
    size_t fill; /* this many 'a' after head */
    const char *tail;
    size_t tail_len;
    const char *statuses; /* of the answers, in order: "200 404" */
    bool closes;          /* the server ends the connection after the last one */
    bool routed;          /* the statuses come from the route table of http_testd */
    bool half_close;      /* the client shuts its writing side after the bytes */
    const char *contains; /* text that the answers must contain, or NULL */
};

extern const struct http_case http_cases[];
extern const size_t http_case_cnt;

/* The bytes of a case, to be freed; never NULL. */
char *http_case_bytes(const struct http_case *c, size_t *ret_len);

#endif
