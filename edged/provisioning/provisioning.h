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
#include "config/config.h"
#include "hsm/hsm.h"
#include "loop/http_client.h"
#include "loop/loop.h"
#include "loop/worker.h"

#include <stdbool.h>
#include <stdint.h>

#define PROVISIONING_HUB_MAX    256
#define PROVISIONING_DEVICE_MAX 128

struct provisioning_result {
    char hub[PROVISIONING_HUB_MAX + 1]; /* host name, with ":port" if the service gave one */
    char device_id[PROVISIONING_DEVICE_MAX + 1];
    uint64_t key_generation; /* of the HSM's identity key */
    int64_t since_wall_s;    /* when it was assigned */
    bool proven;             /* the hub has accepted the key at least once */
};

enum provisioning_state {
    PROVISIONING_STARTING, /* reading saved state */
    PROVISIONING_TRYING,   /* asking the service */
    PROVISIONING_WAITING,  /* next try at next_try_wall_s */
    PROVISIONING_ASSIGNED, /* up to date */
    PROVISIONING_STOPPED,
};

struct provisioning_status {
    enum provisioning_state state;
    bool has_result;
    struct provisioning_result result;
    int64_t next_try_wall_s;      /* WAITING */
    struct edge_error last_error; /* of the last failed try; empty text when none */
    char registration_id[129];    /* "" until known */
};

struct provisioning_events {
    /* An identity is there to be used: at start from the saved state, later when it changed. moved:
     * hub or device id differ from the one before. */
    void (*on_identity)(void *data, const struct provisioning_result *result, bool moved);
    /* Something in the status changed (for logs and the service manager). */
    void (*on_status)(void *data, const struct provisioning_status *status);
    void *data;
};

struct provisioning_deps {
    struct loop *loop;
    struct worker *worker;
    struct hsm *hsm;
    struct http_client *http;
    const struct edge_config *config;
    const char *state_dir; /* borrowed */
};

struct provisioning;

enum edge_code provisioning_new(const struct provisioning_deps *deps,
                                const struct provisioning_events *events, struct provisioning **ret,
                                struct edge_error *err) EDGE_NODISCARD;

/* Starts: loads the saved state (on the worker), announces it, then asks the source in the
 * background. */
enum edge_code provisioning_start(struct provisioning *p, struct edge_error *err) EDGE_NODISCARD;

/* The hub accepted a request that was signed with this key: if it is the identity's, the previous
 * one is retired. Idempotent. */
void provisioning_confirm(struct provisioning *p, uint64_t key_generation);

/* The hub refused the credential. If it is the identity's and not a predecessor's: an unproven
 * identity falls back to the previous one if there is one, and in any case the source is asked
 * again, with backoff. */
void provisioning_refuse(struct provisioning *p, uint64_t key_generation,
                         const struct edge_error *why);

const struct provisioning_status *provisioning_get_status(const struct provisioning *p);

/* Cancels what is in flight, then stopped() runs; then provisioning_free. */
void provisioning_stop(struct provisioning *p, void (*stopped)(void *data), void *data);
void provisioning_free(struct provisioning *p);

#endif
