/* SPDX-License-Identifier: MIT */
/*
 * How the device gets its hub, device id and key, and keeps them. Policy over sources: a saved
 * result is used at once, the cloud is asked in the background, and nothing that works is given up
 * before its successor has proven itself. Loop thread only.
 *
 * The commit point is one file: the saved result names the key generation it belongs to. A key
 * imported by the HSM layer but not named there is a candidate; its label says which hub and device
 * it is for, so that a start after a power cut completes the change instead of losing it.
 */
#ifndef PROVISIONING_PROVISIONING_H
#define PROVISIONING_PROVISIONING_H

#include "base/error.h"
#include "cloud/cloud.h"
#include "cloud/device_cert.h"
#include "config/config.h"
#include "hsm/hsm.h"
#include "loop/loop.h"
#include "loop/wall.h"
#include "loop/worker.h"

#include <stdbool.h>
#include <stdint.h>

#define PROVISIONING_HUB_MAX    256
#define PROVISIONING_DEVICE_MAX 128
#define PROVISIONING_PATH_MAX   255
#define PROVISIONING_TEXT_MAX   448

enum provisioning_credential {
    PROVISIONING_KEY,  /* an identity key of the key store */
    PROVISIONING_CERT, /* an X.509 certificate in files */
};

struct provisioning_result {
    char hub[PROVISIONING_HUB_MAX + 1]; /* host name, with ":port" if the service gave one */
    char device_id[PROVISIONING_DEVICE_MAX + 1];
    enum provisioning_credential credential;
    uint64_t key_generation; /* of the key store's identity key; 0 with CERT */
    /* CERT: files that an external provisioner named, or what it sent: a file, and a record of the
     * key store (DEVICE_CERT_RECORD); "": files of config.yaml */
    char cert_path[PROVISIONING_PATH_MAX + 1];
    char pk_path[PROVISIONING_PATH_MAX + 1];
    int64_t since_wall_s; /* when it was assigned */
    bool proven;          /* the hub has accepted the credential at least once */
};

enum provisioning_state {
    PROVISIONING_STARTING, /* reading saved state */
    PROVISIONING_TRYING,   /* asking the service */
    PROVISIONING_WAITING,  /* next try at next_try_wall_s, because of last_error */
    PROVISIONING_CLOCK,    /* nothing can be signed before the clock is right */
    PROVISIONING_ASSIGNED, /* up to date, or asked again at next_try_wall_s (0: not planned) */
    PROVISIONING_STOPPED,
};

struct provisioning_status {
    enum provisioning_state state;
    bool has_result;
    struct provisioning_result result;
    int64_t next_try_wall_s;              /* next contact with the service; 0: none planned */
    char next_why[PROVISIONING_TEXT_MAX]; /* what it is for, or what is waited for; may be "" */
    int64_t last_contact_wall_s;          /* last time a registration was begun; 0: never */
    int64_t last_ok_wall_s;               /* last time one succeeded; 0: never */
    struct edge_error last_error;         /* of the last failed try; empty text when none, or when
                                             a later one succeeded */
    int64_t last_error_wall_s;            /* 0: none */
    char registration_id[129];            /* "" until known or where there is none */
    unsigned key_line; /* line of config.yaml with a key that could be deleted there, since the key
                          store has it; 0: none */
    enum hsm_state key_store; /* condition of the key store when provisioning last used it */
    uint64_t legacy_root; /* key that 1.1 derived module keys from and the hub still has; 0: none */
};

const char *provisioning_state_name(enum provisioning_state state); /* "assigned", ... */

struct provisioning_events {
    /* An identity is there to be used: at start from the saved state, later when it changed.
     * serial: a number of our own for this identity, never 0, to be named in the verdict. moved:
     * hub or device id differ from the one before. */
    void (*on_identity)(void *data, const struct provisioning_result *result, uint64_t serial,
                        bool moved);
    /* Something in the status changed (for logs and the service manager). */
    void (*on_status)(void *data, const struct provisioning_status *status);
    void *data;
};

struct provisioning_deps {
    const struct cloud *cloud;  /* borrowed, as all here; outlives provisioning */
    struct edge_config *config; /* the key in it is wiped once the key store has it */
    struct device_cert *cert;   /* files that config.yaml names, or NULL */
    const char *state_dir;
};

struct provisioning;

enum edge_code provisioning_new(const struct provisioning_deps *deps,
                                const struct provisioning_events *events, struct provisioning **ret,
                                struct edge_error *err) EDGE_NODISCARD;

/* Starts: loads the saved state (on the worker), announces it, then asks the source in the
 * background, not before the clock and the agreed pauses allow it. */
enum edge_code provisioning_start(struct provisioning *p, struct edge_error *err) EDGE_NODISCARD;

/* Certificate files of the identity that was announced last, or NULL. Valid until another one is
 * announced; to be kept (device_cert_keep) by whoever uses it longer. */
struct device_cert *provisioning_get_cert(const struct provisioning *p);

/* The hub accepted a request under this identity: if it is the one announced last, the previous one
 * is retired. Idempotent. */
void provisioning_confirm(struct provisioning *p, uint64_t serial);

/* The hub refused the credential, also after a fresh token. If the identity is the one announced
 * last: an unproven one falls back to the previous one if there is one, and in any case the source
 * is asked again, with backoff. Where asking cannot mend it the same identity is announced again,
 * rarely. */
void provisioning_refuse(struct provisioning *p, uint64_t serial, const struct edge_error *why);

/* Asks the source now, as far as the agreed pauses and a TPM in lockout allow; `why` goes into log
 * and status. While the source runs already, also for a dry run: once more when it is through,
 * since it may have looked before what `why` tells of. */
void provisioning_ask(struct provisioning *p, const char *why);

/* The same for a caller that is no operator and may ask without end, as edgeAgent does while a hub
 * refuses it: followed the first time, then not before a growing pause is over, so that a disabled
 * device (or a module gone bad) is no burden to the service. */
void provisioning_suggest(struct provisioning *p, const char *why);

/* What asking would change, found without changing anything. */
struct provisioning_preview {
    struct edge_error err; /* code OK: hub and device_id are what the source would assign */
    bool changes;          /* it is not what is used now */
    char hub[PROVISIONING_HUB_MAX + 1];
    char device_id[PROVISIONING_DEVICE_MAX + 1];
    char text[PROVISIONING_TEXT_MAX]; /* one sentence for an operator */
};
typedef void provisioning_preview_fn(void *data, const struct provisioning_preview *preview);

/* done runs once, later; also when provisioning is stopped meanwhile. Errors: BUSY while the source
 * is asked, NOMEM. */
enum edge_code provisioning_preview(struct provisioning *p, provisioning_preview_fn *done,
                                    void *data, struct edge_error *err) EDGE_NODISCARD;

/* Generation of the key that 1.1 derived the modules' keys from, 0: none or no more. Known when the
 * first identity is announced. */
uint64_t provisioning_legacy_root(const struct provisioning *p);
/* The hub has the keys of our own root for every module: forget the old one. */
void provisioning_legacy_done(struct provisioning *p);

const struct provisioning_status *provisioning_get_status(const struct provisioning *p);

/* Cancels what is in flight, then stopped() runs; then provisioning_free. */
void provisioning_stop(struct provisioning *p, void (*stopped)(void *data), void *data);
void provisioning_free(struct provisioning *p);

#endif
