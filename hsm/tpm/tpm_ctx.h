/* SPDX-License-Identifier: MIT */
/*
 * Connection to one TPM: transport, ESYS context, hierarchy passwords, and the sessions that
 * protect what goes over the wire. Opened when first needed, closed and opened again after loss.
 */
#ifndef HSM_TPM_CTX_H
#define HSM_TPM_CTX_H

#include "tpm/tpm_node.h"
#include "tpm/tpm_tcti.h"

#include "base/error.h"
#include "hsm/hsm.h"

#include <tss2/tss2_esys.h>

#include <stdbool.h>
#include <stdint.h>

#define TPM_REOPEN_PAUSE_MS 1000 /* a failed open is answered from memory for so long */
#define TPM_AUTH_FILE_MAX   64   /* bytes of a hierarchy password */

struct tpm_ctx {
    /* configuration, copied */
    char tcti_conf[TPM_NODE_MAX];
    char node[TPM_NODE_MAX];
    char *owner_auth_file;
    char *endorsement_auth_file;

    struct tpm_tcti *tcti;
    ESYS_CONTEXT *esys; /* NULL: closed */
    ESYS_TR session;    /* salted with the SRK, encrypts both ways; ESYS_TR_NONE before start */
    enum hsm_state state;
    uint64_t command_cnt;

    uint64_t failed_until_ms;
    struct edge_error failed;
    enum hsm_state failed_state;
};

/* Copies the configuration; no contact. Errors: INVALID, RANGE, NOMEM. */
enum edge_code tpm_ctx_init(struct tpm_ctx *c, const struct hsm_config *cfg,
                            struct edge_error *err) EDGE_NODISCARD;
void tpm_ctx_clear(struct tpm_ctx *c);

/* Connects and sets the hierarchy passwords, unless it is open already. */
enum edge_code tpm_ctx_open(struct tpm_ctx *c, struct edge_error *err) EDGE_NODISCARD;

/* Flushes the session, wipes the passwords in the library, disconnects. */
void tpm_ctx_close(struct tpm_ctx *c);

/* Translates a failed TSS call: err gets the text, the state of the context follows. */
enum edge_code tpm_ctx_fail(struct tpm_ctx *c, TSS2_RC rc, const char *what,
                            struct edge_error *err);

/* The same where a hierarchy password took part: the text names its file. */
enum edge_code tpm_ctx_fail_auth(struct tpm_ctx *c, TSS2_RC rc, ESYS_TR hierarchy, const char *what,
                                 struct edge_error *err);

/* Removes a transient object or session from the TPM; *tr becomes ESYS_TR_NONE even if that fails.
 */
void tpm_ctx_flush(struct tpm_ctx *c, ESYS_TR *tr);

/* Forgets a persistent object here; it stays in the TPM. */
void tpm_ctx_forget(struct tpm_ctx *c, ESYS_TR *tr);

/* Removes every transient object and session that the TPM holds, whoever left it: only for
 * transports that one program has for itself. */
void tpm_ctx_flush_leftovers(struct tpm_ctx *c);

/* Starts a session, HMAC or policy, salted with `key` (ESYS_TR_NONE: unsalted), AES-128-CFB in both
 * directions. The caller flushes it. */
enum edge_code tpm_ctx_session(struct tpm_ctx *c, ESYS_TR key, TPM2_SE type, ESYS_TR *ret,
                               struct edge_error *err) EDGE_NODISCARD;

/* One TPM property. With a session the answer is authenticated. */
enum edge_code tpm_ctx_property(struct tpm_ctx *c, uint32_t property, uint32_t *ret_value,
                                struct edge_error *err) EDGE_NODISCARD;

/* Capability query, authenticated by the session if there is one. Release *ret with tpm_cleanup. */
TSS2_RC tpm_ctx_capability(struct tpm_ctx *c, TPM2_CAP cap, uint32_t first, uint32_t cnt,
                           bool *ret_more, TPMS_CAPABILITY_DATA **ret);

/* EDGE_CLEANUP(tpm_cleanup) for anything ESYS allocated: wipes, then frees. */
void tpm_cleanup(void *pp);

#endif
