/* SPDX-License-Identifier: MIT */
/*
 * Key store, clock, certificate files and predecessor as provisioning sees them, without any of
 * them: the test says what they hold. Linked in place of those parts, beside the fake loop.
 */
#ifndef SUPPORT_PROVISIONING_WORLD_H
#define SUPPORT_PROVISIONING_WORLD_H

#include "hsm/hsm.h"
#include "loop/wall.h"
#include "provisioning/takeover.h"

struct wall {
    enum wall_state state;
    int64_t offset_s;
    void (*fn)(void *data);
    void *data;
};

struct world {
    struct hsm_identity keys[HSM_IDENTITY_MAX];
    uint8_t secrets[HSM_IDENTITY_MAX][64];
    size_t secret_lens[HSM_IDENTITY_MAX];
    size_t cnt;
    uint64_t next;      /* generation of the next key, less one */
    uint64_t published; /* last */
    uint64_t adoptable; /* 1: there is a key at the well-known handle */
    enum edge_code list_code, sign_code, import_code, drop_code, publish_code, record_code;
    char record[64], record_text[64]; /* the last one put; "": dropped */
    enum hsm_state state;
    enum edge_code probe_code;
    unsigned probes;
    unsigned imports;
    struct takeover takeover; /* what 1.1 left */
    enum edge_code takeover_code;
    unsigned takeovers;
    unsigned certs;               /* made and not freed */
    char cert_path[256];          /* of the last one that was made */
    const struct wall *cert_wall; /* what it is judged by */
    struct wall wall;
};

extern struct world world;

void world_init(void);

/* A key with the label of an assignment, as the source for TPMs imports it. */
void world_add_key(uint64_t generation, const char *hub, const char *device_id, const char *inputs);
/* A key with the label of an import. */
void world_add_imported(uint64_t generation, const char *target, const char *secret);
bool world_has_key(uint64_t generation);

/* The clock's state changes, or it is stepped: listeners are told. */
void world_set_wall(enum wall_state state, int64_t offset_s);

#endif
