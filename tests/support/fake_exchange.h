/* SPDX-License-Identifier: MIT */
/*
 * One HTTP exchange without a connection: a test sets what the client sent and reads what was
 * answered. Linked in place of the server.
 */
#ifndef SUPPORT_FAKE_EXCHANGE_H
#define SUPPORT_FAKE_EXCHANGE_H

#include "http/http_reply.h"
#include "http/http_server.h"

#include <stdbool.h>

/* A fresh exchange; context is what handlers get. Only one exists at a time. */
struct http_exchange *fake_exchange(void *context);

void fake_exchange_set_body(const char *json);
void fake_exchange_set_params(const char *first, const char *second);
void fake_exchange_set_target(const char *target); /* with the query; not copied */

/* The client went away: the handle resolves to nothing any more, a stream is told. */
void fake_exchange_leave(void);

unsigned fake_exchange_answers(void); /* how often it was answered */
int fake_exchange_status(void);
const char *fake_exchange_text(void); /* body of the answer, "" for none */
unsigned fake_exchange_retry_after(void);
bool fake_exchange_detached(void);
bool fake_exchange_has_op(void);
bool fake_exchange_was_sensitive(void); /* the answer's buffer wipes itself */

/* A stream's text is that of the answer, and its end is the answer. */
bool fake_exchange_is_streaming(void);
bool fake_exchange_broke_off(void);
void fake_exchange_set_slow(bool slow); /* a slow client: writes ask for a pause */
void fake_exchange_drain(void);         /* it has caught up */

/* Releases; asserts that it was answered exactly once, or that the client had left. */
void fake_exchange_end(void);

#endif
