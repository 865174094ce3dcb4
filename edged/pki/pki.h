/* SPDX-License-Identifier: MIT */
/*
 * The certificate authorities of the device and what they issue to modules. Either a chain of our
 * own (quickstart: owner CA, device CA, workload CA) or a workload CA under the operator's device
 * CA (certificates.device_ca_cert in config.yaml). Keys are named keys of the key store;
 * certificates and what else is public rest in PKI_DIR of the state folder.
 *
 * Renewal happens here, by itself: at two thirds of a certificate's life, when a file of the
 * operator's was replaced, and when the clock shows that a certificate was made at a wrong time.
 * What exists goes on until its successor is on disk.
 *
 * Loop thread; keys, files and signatures are worked on by the worker. Completions come once, later
 * than the call, also when the operation was cancelled.
 */
#ifndef PKI_PKI_H
#define PKI_PKI_H

#include "base/error.h"
#include "base/slice.h"
#include "config/config.h"
#include "hsm/hsm.h"
#include "loop/loop.h"
#include "loop/op.h"
#include "loop/wall.h"
#include "loop/worker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PKI_DIR            "pki"            /* in the state folder */
#define PKI_BUNDLE_MAX     (256 * 1024)     /* bytes of a trust bundle */
#define PKI_SERVER_MAX_S   (90 * 24 * 3600) /* longest life of a server certificate */
#define PKI_IDENTITY_MAX_S (2 * 3600)       /* of an identity certificate */
#define PKI_STATUS_MAX     8
#define PKI_WAITERS_MAX    512 /* who wait for one trust bundle */
#define PKI_ISSUING_MAX    24  /* requests for certificates at once; the worker's queue has more */
#define PKI_PER_MODULE_MAX 4   /* of these of one module */

struct pki;

/* Everything is borrowed and outlives the object; state_dir is copied. wall NULL: the clock counts
 * as right. */
struct pki_deps {
    struct loop *loop;
    struct worker *worker;
    struct hsm *hsm;
    struct wall *wall;
    const struct edge_config *config;
    const char *state_dir;
};

/* Touches neither files nor keys. Errors: NOMEM. */
enum edge_code pki_new(const struct pki_deps *deps, struct pki **ret,
                       struct edge_error *err) EDGE_NODISCARD;

/* Makes the authorities ready in the background, and keeps them so. Requests may come before that;
 * they wait in the worker's queue behind it. A failure there is logged, noted in the status and
 * tried again. Errors: NOMEM, BUSY. */
enum edge_code pki_start(struct pki *p, struct edge_error *err) EDGE_NODISCARD;

/* Something that it depends on has changed, such as a key that was imported or a store that was
 * opened: looks at once, if it is not doing so already. */
void pki_look(struct pki *p);

/* Cancels what waits and calls stopped() in a later callback, when nothing of ours is in flight any
 * more. Before worker_stop. */
void pki_stop(struct pki *p, void (*stopped)(void *data), void *data);

/* After stopped() has run, or when never started. NULL allowed. */
void pki_free(struct pki *p);

/* Lives longer than the maxima above, or than the issuer, are cut silently. Strings are copied. */
struct pki_server_request {
    struct slice common_name; /* DNS name or IP address */
    struct slice module_id;
    struct wall_time now; /* from which on it is valid: wall_get_time */
    int64_t validity_s;
};

struct pki_identity_request {
    struct slice module_id; /* with '$' */
    struct slice hub;       /* full host name */
    struct slice device_id;
    struct wall_time now;
    int64_t validity_s;
};

/* Borrowed during the completion. */
struct pki_issued {
    struct slice key_pem;   /* PKCS#8; secret */
    struct slice chain_pem; /* leaf first */
    int64_t not_after_wall_s;
};

/* cert is NULL unless code is OK. */
typedef void pki_issued_fn(void *data, enum edge_code code, const struct pki_issued *cert,
                           const struct edge_error *err);

/* ret_op (may be NULL) can be cancelled with op_cancel(loop_ops(loop), op). Errors, at once:
 * INVALID for names that cannot stand in a certificate and lives below one second, RETRY when that
 * time is not usable, BUSY (also for one module alone), NOMEM, CANCELED after pki_stop. By the
 * completion: RETRY (clock), HSM (the key store does not open; the text names the mend), CONFIG
 * (the operator's files cannot be used and there is nothing older that can), IO, NOMEM, CANCELED,
 * TIMEOUT. */
enum edge_code pki_issue_server(struct pki *p, const struct pki_server_request *req,
                                pki_issued_fn *done, void *data, struct op *ret_op,
                                struct edge_error *err) EDGE_NODISCARD;
enum edge_code pki_issue_identity(struct pki *p, const struct pki_identity_request *req,
                                  pki_issued_fn *done, void *data, struct op *ret_op,
                                  struct edge_error *err) EDGE_NODISCARD;

/* pem is borrowed during the completion; one PEM certificate at least when code is OK. */
typedef void pki_bundle_fn(void *data, enum edge_code code, struct slice pem,
                           const struct edge_error *err);

/* What modules are to trust. All who ask while one answer is under way share it. A bundle that
 * exists is given out whatever the state of clock and key store. ret_op (may be NULL) can be
 * cancelled; the others go on. Errors, at once: BUSY (more than PKI_WAITERS_MAX wait), NOMEM,
 * CANCELED after pki_stop. */
enum edge_code pki_trust_bundle(struct pki *p, pki_bundle_fn *done, void *data, struct op *ret_op,
                                struct edge_error *err) EDGE_NODISCARD;

struct pki_cert_status {
    char name[24];     /* "owner CA", "device CA", "workload CA", "former root" */
    char source[16];   /* "quickstart", "operator", "predecessor" (release 1.1) */
    char subject[128]; /* "CN=...,O=..." */
    int64_t not_before_wall_s;
    int64_t not_after_wall_s;
    int64_t renew_at_wall_s; /* 0: not renewed by us */
};

struct pki_status {
    struct pki_cert_status items[PKI_STATUS_MAX];
    size_t cnt;
    char note[256]; /* why certificates cannot be made, or why newer files are not used; "" */
};

/* As of the last job; borrowed until the next turn of the loop. */
const struct pki_status *pki_get_status(const struct pki *p);

/* The authorities are on disk and usable, and if release 1.1 left a root that leaf devices trust,
 * it has signed for ours: its private keys are not needed any more. False as long as nobody vouches
 * for the time (wall_is_trusted). */
bool pki_is_ready(const struct pki *p);

#endif
