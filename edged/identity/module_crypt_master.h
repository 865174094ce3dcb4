/* SPDX-License-Identifier: MIT */
/*
 * The master key out of the key store, into which release 1.1's goes at first. Worker thread
 * (blocking).
 */
#ifndef IDENTITY_MODULE_CRYPT_MASTER_H
#define IDENTITY_MODULE_CRYPT_MASTER_H

#include "identity/module_crypt_text.h"

#define MODULE_CRYPT_NOTE_MAX 400

struct module_crypt_master {
    struct module_crypt_keys keys;
    char note[MODULE_CRYPT_NOTE_MAX];
};

/* *ret must be empty. 1.1's key becomes the master key when there is none yet, else a second one
 * for decryption: somebody had gone back to 1.1 in between. A file that cannot be used is left
 * where it is, and named in the note. A damaged record has been set aside, which is logged as the
 * loss that it is. Errors: those of the key store, IO (of 1.1's file), NOMEM;
 * then nothing is decided, call again later. */
enum edge_code module_crypt_master_open(struct hsm *h, const char *homedir,
                                        struct module_crypt_master *ret,
                                        struct edge_error *err) EDGE_NODISCARD;

#endif
