/* SPDX-License-Identifier: MIT */
/*
 * Stand-in for pki/pki.h: keeps what it was asked for until the test says how it ends. Linked in
 * place of pki.c.
 */
#ifndef SUPPORT_FAKE_PKI_H
#define SUPPORT_FAKE_PKI_H

#include "pki/pki.h"

#include <stdbool.h>

/* Forgets everything; asserts that nothing waits. Returns the object, which is never freed. */
struct pki *fake_pki(void);

/* The next calls are refused at once with this code; OK ends it. */
void fake_pki_refuse(enum edge_code code);

/* What was asked for last: "server CN MODULE", "identity MODULE HUB DEVICE" or "bundle", and for
 * how long. */
const char *fake_pki_asked(void);
int64_t fake_pki_validity_s(void);
unsigned fake_pki_ask_cnt(void);
bool fake_pki_is_waiting(void);

/* Ends what waits. cert or pem with OK, else the text of the failure. */
void fake_pki_finish_cert(const struct pki_issued *cert);
void fake_pki_finish_bundle(const char *pem);
void fake_pki_fail(enum edge_code code, const char *text);

/* What pki_get_status and pki_is_ready answer; nothing and not, at first. */
struct pki_status *fake_pki_status(void);
void fake_pki_set_ready(bool is_ready);

unsigned fake_pki_look_cnt(void); /* calls of pki_look */

#endif
