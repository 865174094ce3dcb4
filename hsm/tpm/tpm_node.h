/* SPDX-License-Identifier: MIT */
/*
 * The configured transport and the device node behind it: what is accepted, and why a node could
 * not be opened, in words that mend it.
 */
#ifndef HSM_TPM_NODE_H
#define HSM_TPM_NODE_H

#include "base/error.h"
#include "hsm/hsm.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define TPM_NODE_MAX 256
#define TPM_WHO_MAX  32

/* Checks a TCTI string. Devices ("device:/dev/...") and the system's resource manager daemon
 * ("tabrmd", whose bus name only its own service user may own) are local by nature; everything else
 * is an emulator. ret_node receives the device node, or "". Errors: INVALID, RANGE. */
enum edge_code tpm_node_check(const char *tcti, bool allow_emulator, char ret_node[TPM_NODE_MAX],
                              struct edge_error *err) EDGE_NODISCARD;

/* A resource manager sits between us and the TPM: our objects are our own and flushed when we
 * leave. */
bool tpm_node_is_managed(const char *tcti);

/* What there is to know about a node that could not be opened. */
struct tpm_node_facts {
    const char *node;
    int errnum;           /* of stat or open */
    bool exists, is_char; /* from stat */
    mode_t mode;
    char owner[TPM_WHO_MAX], group[TPM_WHO_MAX], user[TPM_WHO_MAX]; /* names, or numbers */
    char holder[2 * TPM_WHO_MAX]; /* "tpm2-abrmd (pid 812)", or empty */
};

/* Looks at a node without using it. */
void tpm_node_look(const char *node, struct tpm_node_facts *ret);

/* Puts the facts into words and a state. Returns the code. */
enum edge_code tpm_node_explain(const struct tpm_node_facts *f, enum hsm_state *ret_state,
                                struct edge_error *err);

#endif
