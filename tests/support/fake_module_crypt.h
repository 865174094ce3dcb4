/* SPDX-License-Identifier: MIT */
/*
 * Stand-in for identity/module_crypt.h: "encryption" writes the text behind a readable head of who
 * and how, so that a test sees what the caller passed on. Linked in place of module_crypt.c.
 *
 *   encrypt: "<module>|<generation>|<iv in hex>|<plaintext>"; decrypt takes that back, and answers
 *   DENIED for anything else.
 */
#ifndef SUPPORT_FAKE_MODULE_CRYPT_H
#define SUPPORT_FAKE_MODULE_CRYPT_H

#include "identity/module_crypt.h"

#include <stdbool.h>

/* Forgets everything; the master key is open. Returns the object, which is never freed. */
struct module_crypt *fake_module_crypt(void);

void fake_module_crypt_set_open(bool is_open);

/* The next calls are refused at once with this code; OK ends it. */
void fake_module_crypt_refuse(enum edge_code code);

/* Whether a message is with the "worker", or somebody waits for the master key. */
bool fake_module_crypt_is_waiting(void);

/* The worker has done what waits: with OK the real result, else this failure. Opens on OK. */
void fake_module_crypt_finish(enum edge_code code);

/* What module_crypt_note answers. */
void fake_module_crypt_set_note(const char *note);

#endif
