/* SPDX-License-Identifier: MIT */
#include "support/keeper_world.h"

#include "support/ca_certs.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void must(enum edge_code code, const struct edge_error *err) {
    if (code != EDGE_OK) {
        print_message("%s\n", err->text);
    }
    assert_int_equal(code, EDGE_OK);
}

void keeper_world_restart(struct keeper_world *w) {
    const struct keeper_config config = {.hsm = w->hsm,
                                         .state_dir = w->dir->path,
                                         .homedir = "/nowhere",
                                         .files = w->files,
                                         .life_s = KEEPER_WORLD_LIFE_S};
    keeper_free(w->keeper);
    assert_int_equal(keeper_new(&config, &w->keeper, NULL), EDGE_OK);
}

void keeper_world_init(struct keeper_world *w, struct tmpdir *dir, struct hsm *hsm,
                       int64_t now_wall_s) {
    *w = (struct keeper_world){.dir = dir,
                               .hsm = hsm,
                               .now = {.now_s = now_wall_s, .is_usable = true, .is_trusted = true}};
    buf_init(&w->leaf, CA_CERTS_PEM_MAX);
    buf_init(&w->bundle, CA_CERTS_PEM_MAX);
    keeper_world_restart(w);
}

void keeper_world_clear(struct keeper_world *w) {
    keeper_free(w->keeper);
    buf_clear(&w->leaf);
    buf_clear(&w->bundle);
}

enum edge_code keeper_world_try_issue(struct keeper_world *w, struct edge_error *err) {
    struct leaf_issuer *issuer = NULL;
    struct leaf_key key = {.spki_len = 0};
    struct leaf leaf = {.not_after_wall_s = 0};
    const struct leaf_server_request r = {.common_name = slice_str("gateway"),
                                          .module_id = slice_str("$edgeHub"),
                                          .now_wall_s = w->now.now_s,
                                          .not_after_wall_s = w->now.now_s + PKI_SERVER_MAX_S};
    enum edge_code code = keeper_look(w->keeper, &w->now, err);
    code = code != EDGE_OK ? code : keeper_issuer(w->keeper, &w->now, &issuer, err);
    code = code != EDGE_OK ? code : leaf_server(issuer, &r, LEAF_KEY_P256, &key, &leaf, err);
    if (code == EDGE_OK) {
        buf_reset(&w->leaf);
        code = buf_append_slice(&w->leaf, buf_slice(&leaf.chain_pem), err);
    }
    leaf_clear(&leaf);
    leaf_key_clear(&key);
    return code;
}

void keeper_world_issue(struct keeper_world *w) {
    struct edge_error err = {0};
    must(keeper_world_try_issue(w, &err), &err);
}

void keeper_world_fetch(struct keeper_world *w) {
    struct edge_error err = {0};
    buf_reset(&w->bundle);
    must(keeper_bundle(w->keeper, &w->now, &w->bundle, &err), &err);
}

int keeper_world_verify(const struct keeper_world *w) {
    return ca_cert_verify(buf_slice(&w->leaf), buf_slice(&w->bundle), w->now.now_s);
}

struct pki_status keeper_world_status(const struct keeper_world *w) {
    struct pki_status s;
    keeper_status(w->keeper, &s);
    return s;
}

size_t keeper_world_key_cnt(const struct keeper_world *w) {
    struct hsm_key keys[HSM_KEYS_MAX];
    size_t cnt = 0;
    assert_int_equal(hsm_key_list(w->hsm, keys, &cnt, NULL), EDGE_OK);
    return cnt;
}
