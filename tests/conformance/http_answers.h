/* SPDX-License-Identifier: MIT */
/*
 * A strict reader of what the server sends: every answer must be one that the pickiest known client
 * takes.
 */
#ifndef CONFORMANCE_HTTP_ANSWERS_H
#define CONFORMANCE_HTTP_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_ANSWERS_MAX 64

struct http_answers {
    size_t cnt;
    int statuses[HTTP_ANSWERS_MAX];
    size_t body_lens[HTTP_ANSWERS_MAX];
    bool closing;        /* the last one says Connection: close */
    bool whole;          /* the bytes end with the end of an answer */
    size_t used;         /* bytes of whole answers */
    const char *problem; /* NULL: all well-formed */
};

/* Reads answers one after another. eof: the connection has ended. head_only: bodies are left out
 * (HEAD). */
void http_answers_read(const char *bytes, size_t len, bool eof, bool head_only,
                       struct http_answers *ret);

/* "200 404" */
void http_answers_text(const struct http_answers *a, char *out, size_t size);

#endif
