/* SPDX-License-Identifier: MIT */
#include "support/provisioning_world.h"

#include "base/clock.h"
#include "base/mac.h"
#include "cloud/device_cert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

struct world world;

void world_init(void) {
    memset(&world, 0, sizeof(world));
    world.state = HSM_STATE_READY;
    world.wall.state = WALL_PLAUSIBLE;
}

static struct hsm_identity *add(uint64_t generation, const char *secret, size_t len) {
    assert_true(world.cnt < HSM_IDENTITY_MAX);
    struct hsm_identity *k = &world.keys[world.cnt];
    memset(k, 0, sizeof(*k));
    k->generation = generation;
    memcpy(world.secrets[world.cnt], secret, len);
    world.secret_lens[world.cnt] = len;
    world.cnt++;
    if (world.next < generation) {
        world.next = generation;
    }
    return k;
}

/* Written out, so that failing allocations hit the code under test only. */
void world_add_key(uint64_t generation, const char *hub, const char *device_id,
                   const char *inputs) {
    struct hsm_identity *k = add(generation, "assigned", 8);
    (void)snprintf(k->label, sizeof(k->label),
                   "{\"hub\":\"%s\",\"device_id\":\"%s\",\"since\":1700000000,\"inputs\":\"%s\"}",
                   hub, device_id, inputs);
}

void world_add_imported(uint64_t generation, const char *target, const char *secret) {
    struct hsm_identity *k = add(generation, secret, strlen(secret));
    (void)snprintf(k->label, sizeof(k->label),
                   "{\"kind\":\"imported\",\"target\":\"%s\",\"since\":1700000000}", target);
}

static int find(uint64_t generation) {
    for (size_t i = 0; i < world.cnt; i++) {
        if (world.keys[i].generation == generation) {
            return (int)i;
        }
    }
    return -1;
}

bool world_has_key(uint64_t generation) {
    return find(generation) >= 0;
}

void world_set_wall(enum wall_state state, int64_t offset_s) {
    world.wall.state = state;
    world.wall.offset_s = offset_s;
    if (world.wall.fn != NULL) {
        world.wall.fn(world.wall.data);
    }
}

/* --- Key store --- */

enum hsm_state hsm_get_state(const struct hsm *h) {
    (void)h;
    return world.state;
}

const char *hsm_state_name(enum hsm_state state) {
    return state == HSM_STATE_CLEARED ? "cleared" : "some state";
}

enum edge_code hsm_identity_list(struct hsm *h, struct hsm_identity ret[HSM_IDENTITY_MAX],
                                 size_t *ret_cnt, struct edge_error *err) {
    (void)h;
    if (world.list_code != EDGE_OK) {
        return edge_set(err, world.list_code, "the TPM is away");
    }
    memcpy(ret, world.keys, sizeof(world.keys));
    *ret_cnt = world.cnt;
    return EDGE_OK;
}

enum edge_code hsm_identity_drop(struct hsm *h, uint64_t generation, struct edge_error *err) {
    (void)h;
    int i = find(generation);
    if (world.drop_code != EDGE_OK) {
        return edge_set(err, world.drop_code, "read-only");
    }
    if (i >= 0) {
        size_t n = (size_t)i, rest = --world.cnt - n;
        memmove(&world.keys[n], &world.keys[n + 1], rest * sizeof(world.keys[0]));
        memmove(&world.secrets[n], &world.secrets[n + 1], rest * sizeof(world.secrets[0]));
        memmove(&world.secret_lens[n], &world.secret_lens[n + 1],
                rest * sizeof(world.secret_lens[0]));
    }
    return EDGE_OK;
}

enum edge_code hsm_identity_publish(struct hsm *h, uint64_t generation, struct edge_error *err) {
    (void)h;
    if (world.publish_code != EDGE_OK) {
        return edge_set(err, world.publish_code, "the handle is in use");
    }
    world.published = generation;
    return EDGE_OK;
}

enum edge_code hsm_identity_sign(struct hsm *h, uint64_t generation, struct slice data,
                                 uint8_t ret_mac[HSM_MAC_LEN], struct edge_error *err) {
    (void)h;
    int i = find(generation);
    if (i < 0 || world.sign_code != EDGE_OK) {
        return edge_set(err, i < 0 ? EDGE_NOT_FOUND : world.sign_code, "cannot sign");
    }
    return hmac_sha256(world.secrets[i], world.secret_lens[i], data.ptr, data.len, ret_mac, err);
}

enum edge_code hsm_identity_import_key(struct hsm *h, const struct secret *key, struct slice label,
                                       uint64_t *ret_generation, struct edge_error *err) {
    (void)h;
    if (world.import_code != EDGE_OK) {
        return edge_set(err, world.import_code, "disk full");
    }
    struct hsm_identity *k = add(world.next + 1, (const char *)key->data, key->len);
    assert_true(slice_to_array(label, k->label, sizeof(k->label)));
    world.imports++;
    *ret_generation = k->generation;
    return EDGE_OK;
}

enum edge_code hsm_identity_adopt(struct hsm *h, struct slice label, uint64_t *ret_generation,
                                  struct edge_error *err) {
    (void)h;
    if (world.adoptable == 0) {
        return edge_set(err, EDGE_NOT_FOUND, "nothing at 0x81000100");
    }
    struct hsm_identity *k = add(world.next + 1, "adopted", 7);
    assert_true(slice_to_array(label, k->label, sizeof(k->label)));
    k->adopted = true;
    *ret_generation = k->generation;
    return EDGE_OK;
}

/* Records: one is kept. */
enum edge_code hsm_record_put(struct hsm *h, const char *name, const struct secret *value,
                              struct edge_error *err) {
    (void)h;
    if (world.record_code != EDGE_OK) {
        return edge_set(err, world.record_code, "the sealed store is locked");
    }
    assert_true(slice_to_array(slice_str(name), world.record, sizeof(world.record)));
    assert_true(slice_to_array(secret_slice(value), world.record_text, sizeof(world.record_text)));
    return EDGE_OK;
}

enum edge_code hsm_record_drop(struct hsm *h, const char *name, struct edge_error *err) {
    (void)h;
    (void)err;
    if (strcmp(name, world.record) == 0) {
        world.record[0] = '\0';
    }
    return EDGE_OK;
}

enum edge_code hsm_probe(const struct hsm_config *cfg, struct hsm_tpm_info *ret,
                         enum hsm_state *ret_state, struct edge_error *err) {
    assert_int_equal(cfg->backend, HSM_BACKEND_TPM);
    world.probes++;
    if (world.probe_code != EDGE_OK) {
        return edge_set(err, world.probe_code, "no TPM");
    }
    *ret_state = HSM_STATE_READY;
    (void)snprintf(ret->registration_id, sizeof(ret->registration_id), "new-id");
    return EDGE_OK;
}

/* --- Clock --- */

enum wall_state wall_get_state(const struct wall *w) {
    return w == NULL ? WALL_PLAUSIBLE : w->state;
}

bool wall_is_usable(const struct wall *w) {
    return w == NULL || (w->state != WALL_UNKNOWN && w->state != WALL_WRONG);
}

int64_t wall_now_s(const struct wall *w) {
    return clock_wall_s() + (w != NULL ? w->offset_s : 0);
}

void wall_describe(const struct wall *w, char *out, size_t size) {
    (void)w;
    (void)snprintf(out, size, "the clock shows 1970; waiting for a time service");
}

enum edge_code wall_on_change(struct wall *w, void (*fn)(void *data), void *data,
                              struct edge_error *err) {
    (void)err;
    w->fn = fn;
    w->data = data;
    return EDGE_OK;
}

/* --- What 1.1 left --- */

enum edge_code takeover_run(const struct edge_config *cfg, const char *homedir, struct hsm *h,
                            const char *label_inputs, struct takeover *ret,
                            struct edge_error *err) {
    (void)cfg;
    (void)homedir;
    (void)h;
    (void)label_inputs;
    if (world.takeover_code != EDGE_OK) {
        return edge_set(err, world.takeover_code, "the TPM is away");
    }
    world.takeovers++;
    *ret = world.takeover;
    return EDGE_OK;
}

/* --- Certificate files: only their being made and freed counts here --- */

enum edge_code device_cert_new(struct worker *w, const char *cert_path, const char *key_path,
                               struct device_cert **ret, struct edge_error *err) {
    (void)w;
    (void)err;
    assert_true(cert_path[0] == '/' &&
                (key_path[0] == '/' || strncmp(key_path, DEVICE_CERT_RECORD, 7) == 0));
    world.certs++;
    world.cert_wall = NULL;
    (void)snprintf(world.cert_path, sizeof(world.cert_path), "%s", cert_path);
    *ret = (struct device_cert *)&world;
    return EDGE_OK;
}

void device_cert_free(struct device_cert *dc) {
    if (dc == (struct device_cert *)&world) {
        world.certs--;
    }
}

void device_cert_use_store(struct device_cert *dc, struct hsm *h) {
    (void)dc;
    (void)h;
}

void device_cert_set_wall(struct device_cert *dc, const struct wall *wall) {
    (void)dc;
    world.cert_wall = wall;
}
