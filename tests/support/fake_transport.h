/* SPDX-License-Identifier: MIT */
/*
 * http_client_send as the Engine client sees it: requests are recorded and stay open until the test
 * answers them, in any order, in pieces if it likes. On the fake loop, linked in place of
 * http_client.c.
 */
#ifndef SUPPORT_FAKE_TRANSPORT_H
#define SUPPORT_FAKE_TRANSPORT_H

#include "loop/http_client.h"

void fake_transport_init(struct loop *l);
void fake_transport_clear(void); /* fails the test when requests are open */

/* The next http_client_send fails with this code. */
void fake_transport_refuse(enum edge_code code);

unsigned fake_transport_open(void);  /* requests without answer */
unsigned fake_transport_count(void); /* requests so far */

/* Method and URL of the index-th open request, oldest first: "GET http://localhost/version". */
const char *fake_transport_url(unsigned index);
uint32_t fake_transport_timeout_ms(unsigned index);
uint32_t fake_transport_stall_ms(unsigned index);
const char *fake_transport_body(unsigned index); /* NULL when it has none */
/* Value of a header, or NULL. */
const char *fake_transport_header(unsigned index, const char *name);
unsigned fake_transport_resumed(unsigned index); /* times */
bool fake_transport_canceled(unsigned index);

/* Answers the index-th open request completely. */
void fake_transport_answer(unsigned index, int status, const char *body);
void fake_transport_fail(unsigned index, enum edge_code code);

/* For a streaming request: headers, then bytes; fake_transport_answer or _fail ends it. */
void fake_transport_headers(unsigned index, int status);
void fake_transport_bytes(unsigned index, struct slice bytes); /* fails when it wants a pause */
bool fake_transport_offer(unsigned index, struct slice bytes); /* what on_data said */

/* Ends all that were cancelled, with CANCELED. */
void fake_transport_end_canceled(void);

#endif
