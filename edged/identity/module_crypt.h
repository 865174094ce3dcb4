/* SPDX-License-Identifier: MIT */
/*
 * What modules have encrypted and decrypted for them, under one master key that rests in the key
 * store and, once opened, lies in locked memory.
 *
 *   K    = HMAC(master, LP("edged module encryption 3") || LP(module) || LP(generation))
 *   AAD  = LP(module) || LP(generation) || LP(the caller's IV)
 *
 * in format 3 of base/aead.h, LP(x) being a 32 bit big-endian length and the bytes: each module has
 * a key of its own, and every message a nonce of ours, so that clients may use an IV again. What
 * release 1.1 and the 1.2+ line wrote (formats 1 and 2) is read under the master key itself, with
 * module || generation as AAD.
 *
 * The master key is that of release 1.1 where there is one, else random. Loop thread only.
 */
#ifndef IDENTITY_MODULE_CRYPT_H
#define IDENTITY_MODULE_CRYPT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "hsm/hsm.h"
#include "loop/loop.h"
#include "loop/op.h"
#include "loop/worker.h"

#include <stdbool.h>
#include <stddef.h>

#define MODULE_CRYPT_RECORD      "encryption-master" /* in the key store */
#define MODULE_CRYPT_FORMER      "encryption-former" /* a second one, for decryption only */
#define MODULE_CRYPT_ID_MAX      128                 /* bytes of a module id or generation id */
#define MODULE_CRYPT_IV_MAX      128                 /* bytes */
#define MODULE_CRYPT_LEN_MAX     (1024 * 1024)       /* bytes of a plaintext or ciphertext */
#define MODULE_CRYPT_WAITERS_MAX 64                  /* requests that wait for the master key */

/* Above this size a text is not for the loop thread: base64 both ways and AES take 0.07 ms for it
 * with AES instructions, 0.28 ms without, and 1.7 to 5 ms for the largest one. */
#define MODULE_CRYPT_AT_ONCE_MAX ((size_t)64 * 1024) /* bytes of text */

#define MODULE_CRYPT_LATER_MAX            8 /* texts on the worker at once: of all modules, */
#define MODULE_CRYPT_LATER_PER_MODULE_MAX 2 /* of one */
#define MODULE_CRYPT_QUEUE_TIMEOUT_MS     30000

struct module_crypt;

struct module_crypt_id {
    struct slice module; /* with its '$' */
    struct slice generation;
};

/* homedir: where release 1.1 left its files. Contacts nothing yet. */
enum edge_code module_crypt_new(struct loop *l, struct worker *w, struct hsm *h,
                                const char *homedir, struct module_crypt **ret,
                                struct edge_error *err) EDGE_NODISCARD;
void module_crypt_free(struct module_crypt *c); /* nothing may be in flight; NULL allowed */

/* Opens the master key on the worker: the record, at first release 1.1's, else a new random one.
 * Those who ask at the same time share one look. done runs once, later, also when the key is open
 * already; ret_op may be NULL. Errors of the result: those of hsm_record_get and hsm_record_put,
 * CANCELED, TIMEOUT; of the call: BUSY, NOMEM. A failure is not remembered: the next call tries
 * again. */
typedef void module_crypt_done_fn(void *data, enum edge_code code, const struct edge_error *err);
enum edge_code module_crypt_open(struct module_crypt *c, module_crypt_done_fn *done, void *data,
                                 struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;
bool module_crypt_is_open(const struct module_crypt *c);

/* The key store has given up its records: the next call opens again, what is under way ends with
 * the old key. */
void module_crypt_forget(struct module_crypt *c);

/* At once; for texts up to MODULE_CRYPT_AT_ONCE_MAX. Append to out, which should be sensitive.
 * Errors: RETRY (the master key is not open), INVALID (empty or over-long module, generation, IV or
 * text), DENIED (decrypt: not made with this key, for this module, generation and IV, or changed,
 * or no format of ours), NOMEM, CRYPTO; then out is as before. */
enum edge_code module_crypt_encrypt(struct module_crypt *c, const struct module_crypt_id *id,
                                    struct slice iv, struct slice plain, struct buf *out,
                                    struct edge_error *err) EDGE_NODISCARD;
enum edge_code module_crypt_decrypt(struct module_crypt *c, const struct module_crypt_id *id,
                                    struct slice iv, struct slice blob, struct buf *out,
                                    struct edge_error *err) EDGE_NODISCARD;

/* The same for any size, on the worker, base64 in and base64 out. What is needed of text is copied.
 * done runs once, later; out is NULL unless code is OK, sensitive, and borrowed. Errors of the
 * result: as above, PARSE (not base64), CANCELED, TIMEOUT; of the call: RETRY, INVALID, BUSY,
 * NOMEM. ret_op may be NULL. */
enum module_crypt_way {
    MODULE_CRYPT_ENCRYPT,
    MODULE_CRYPT_DECRYPT,
};
typedef void module_crypt_text_fn(void *data, enum edge_code code, const struct buf *out,
                                  const struct edge_error *err);
enum edge_code module_crypt_later(struct module_crypt *c, enum module_crypt_way way,
                                  const struct module_crypt_id *id, struct slice iv,
                                  struct slice text, module_crypt_text_fn *done, void *data,
                                  struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;

/* For the log, once the master key has been opened: where it came from, or what is wrong with 1.1's
 * file; "" when there is nothing to tell. */
const char *module_crypt_note(const struct module_crypt *c);

#endif
