/* SPDX-License-Identifier: MIT */
#include "support/pki_world.h"

#include "base/log.h"
#include "support/ca_certs.h"
#include "support/fake_hsm.h"
#include "support/fake_wall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEY_HEAD 27 /* bytes of "-----BEGIN PRIVATE KEY-----" */

void pki_answer_init(struct pki_answer *a) {
    *a = (struct pki_answer){.cnt = 0};
    buf_init(&a->pem, CA_CERTS_PEM_MAX);
}

void pki_answer_clear(struct pki_answer *a) {
    buf_clear(&a->pem);
}

void pki_answer_issued(void *data, enum edge_code code, const struct pki_issued *cert,
                       const struct edge_error *err) {
    struct pki_answer *a = data;
    a->cnt++;
    a->code = code;
    if (code == EDGE_OK) {
        assert_int_equal(buf_append_slice(&a->pem, cert->chain_pem, NULL), EDGE_OK);
        memcpy(a->key, cert->key_pem.ptr, KEY_HEAD);
        a->not_after_wall_s = cert->not_after_wall_s;
    } else {
        assert_null(cert);
        memcpy(a->text, err->text, sizeof(a->text));
    }
}

void pki_answer_bundle(void *data, enum edge_code code, struct slice pem,
                       const struct edge_error *err) {
    struct pki_answer *a = data;
    a->cnt++;
    a->code = code;
    if (code == EDGE_OK) {
        assert_int_equal(buf_append_slice(&a->pem, pem, NULL), EDGE_OK);
    } else {
        memcpy(a->text, err->text, sizeof(a->text));
    }
}

void pki_world_stopped(void *data) {
    ((struct pki_world *)data)->stopped = true;
}

struct pki_deps pki_world_deps(struct pki_world *w) {
    return (struct pki_deps){.loop = fake_loop(),
                             .worker = fake_worker(),
                             .hsm = w->hsm,
                             .wall = w->wall,
                             .config = &w->config,
                             .state_dir = w->dir->path};
}

int pki_world_setup(void **state) {
    struct pki_world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    fake_loop_init();
    log_set_level(LOG_OFF);
    w->dir = tmpdir_new();
    w->hsm = fake_hsm_new();
    w->wall = fake_wall_new();
    fake_wall_set(w->wall, WALL_SYNCED, 0);
    w->config.homedir = w->dir->path;
    w->config.auto_generated_ca_lifetime_days = 90;
    const struct pki_deps deps = pki_world_deps(w);
    assert_int_equal(pki_new(&deps, &w->pki, NULL), EDGE_OK);
    *state = w;
    return 0;
}

int pki_world_teardown(void **state) {
    struct pki_world *w = *state;
    pki_stop(w->pki, pki_world_stopped, w);
    fake_loop_run();
    assert_true(w->stopped);
    pki_free(w->pki);
    wall_free(w->wall);
    hsm_close(w->hsm);
    tmpdir_free(w->dir);
    fake_loop_clear();
    free(w);
    return 0;
}

enum edge_code pki_world_ask(struct pki_world *w, const char *name, int64_t validity_s,
                             struct pki_answer *a, struct op *op, struct edge_error *err) {
    const struct pki_server_request r = {.common_name = slice_str(name),
                                         .module_id = slice_str("$edgeHub"),
                                         .now = wall_get_time(w->wall),
                                         .validity_s = validity_s};
    return pki_issue_server(w->pki, &r, pki_answer_issued, a, op, err);
}
