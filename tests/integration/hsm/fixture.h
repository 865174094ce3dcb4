/* SPDX-License-Identifier: MIT */
/*
 * A device for the tests of this folder: its TPM, its state directory, and the key store on both.
 */
#ifndef INTEGRATION_HSM_FIXTURE_H
#define INTEGRATION_HSM_FIXTURE_H

#include "support/swtpm.h"
#include "support/tmpdir.h"

#include "base/error.h"
#include "hsm/hsm.h"

#include <stdbool.h>
#include <stdint.h>

struct fixture {
    struct swtpm *tpm;
    struct tmpdir *dir;
    struct hsm *hsm;       /* NULL while closed */
    struct hsm_config cfg; /* change before fixture_open */
    char owner_file[PATH_MAX], endorsement_file[PATH_MAX];
    struct hsm_attestation keys; /* filled by fixture_start */
    struct edge_error err;       /* of the last call */
};

/* Blank TPM, key store closed. */
int fixture_setup(void **state);
int fixture_setup_manufactured(void **state);
int fixture_teardown(void **state);

void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);

/* Opens if closed, starts, reads the keys; fails the test when that does not work. */
void fixture_start(struct fixture *f);

/* Opens, starts, and expects this failure. Closes. */
void fixture_start_fails(struct fixture *f, enum edge_code code, enum hsm_state state,
                         const char *text);

/* Writes a password file and names it in the configuration. */
void fixture_owner_auth(struct fixture *f, const char *text);
void fixture_endorsement_auth(struct fixture *f, const char *text);

/* Imports an activation blob made for this TPM; returns its generation. */
uint64_t fixture_import(struct fixture *f, const uint8_t key[32], const char *label);

/* Loads such a blob as challenge. */
enum edge_code fixture_challenge(struct fixture *f, const uint8_t key[32]);

/* The generation signs with this key. */
void fixture_check_sign(struct fixture *f, uint64_t generation, const uint8_t *key, size_t key_len);

/* Keeps text as a record; expects it there; expects this failure. */
void fixture_put(struct fixture *f, const char *name, const char *text);
void fixture_get(struct fixture *f, const char *name, const char *text);
void fixture_get_fails(struct fixture *f, const char *name, enum edge_code code, const char *text);

/* Files whose names begin so, but for those that were set aside; or only those. */
int fixture_count(struct fixture *f, const char *prefix, bool aside);

/* Runs a call in a child that is killed before the tpm_command-th command to the TPM, or before or
 * after a step of a file (fsync, rename, unlink; a write: before only), the file_step-th of all. 1:
 * the next; 0: none. With `start` the key store is started before that counts, else it is opened
 * only; here it is closed. True when the call got through, and then it has succeeded. */
bool fixture_dies(struct fixture *f, bool start, size_t tpm_command, size_t file_step,
                  enum edge_code (*call)(struct fixture *f));

/* The TPM holds no transient object and no session; the key store must be closed. */
void fixture_check_clean(struct fixture *f);

/* Fails with the text of f->err unless the code is EDGE_OK. */
void fixture_ok(struct fixture *f, enum edge_code code);

#endif
