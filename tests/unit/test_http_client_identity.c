/* SPDX-License-Identifier: MIT */
/*
 * Client certificates, against a server that asks for them and one that demands them; and their
 * renewal in the files that a device certificate stands for.
 */
#include "loop/http_client.h"

#include "base/fs.h"
#include "cloud/device_cert.h"
#include "support/alloc_fail.h"
#include "support/http_calls.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct client {
    struct buf cert;
    struct buf key;
    struct http_client_identity id;
    struct x509_leaf leaf;
};

static struct client a, b, late, stranger;

static void read_file(struct buf *out, const char *name, const char *ending) {
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/client-%s.%s", http_calls_server.folder, name, ending);
    buf_init(out, HTTP_CLIENT_IDENTITY_MAX);
    assert_int_equal(fs_read_path(path, out, NULL), EDGE_OK);
}

static void client_read(struct client *c, const char *name) {
    read_file(&c->cert, name, "pem");
    read_file(&c->key, name, "key");
    c->id = (struct http_client_identity){buf_slice(&c->cert), buf_slice(&c->key)};
    assert_int_equal(x509_chain_read(c->id.cert_pem, &c->leaf, NULL), EDGE_OK);
}

static int start(void **state) {
    int rc = http_calls_start_server(state);
    if (rc == 0) {
        client_read(&a, "a");
        client_read(&b, "b");
        client_read(&late, "late");
        client_read(&stranger, "stranger");
    }
    return rc;
}

static int stop(void **state) {
    struct client *const all[] = {&a, &b, &late, &stranger};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(all); i++) {
        buf_clear(&all[i]->cert);
        buf_clear(&all[i]->key);
    }
    return http_calls_stop_server(state);
}

static void ask(struct http_call *c, struct http_calls *f, const char *kind,
                const struct http_client_identity *id) {
    http_call_init(c, f, kind, "/peer");
    c->request.identity = id;
    http_call_run(c);
}

static void expect_peer(struct http_calls *f, const char *kind, const struct client *who) {
    struct http_call c;
    ask(&c, f, kind, who != NULL ? &who->id : NULL);
    assert_string_equal(c.error, "");
    assert_int_equal(c.code, EDGE_OK);
    assert_true(c.tls_verified);
    assert_string_equal(c.body, who != NULL ? who->leaf.thumbprint : "none");
}

static void test_each_as_itself(void **state) {
    expect_peer(*state, "demands", &a);
    /* Every change of identity with connections of the others idle, and again when all are. */
    const struct client *const order[] = {NULL, &a, NULL, &b, &a, &b, NULL, &a, &a};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(order); i++) {
        expect_peer(*state, "asks", order[i]);
    }
}

static void test_at_the_same_time(void **state) {
    enum {
        CALLS = 30
    };
    const struct client *const who[] = {&a, &b, NULL};
    struct http_call *calls = calloc(CALLS, sizeof(*calls));
    assert_non_null(calls);
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < CALLS; i++) {
            const struct client *as = who[(i + round) % 3];
            http_call_init(&calls[i], *state, "asks", "/peer");
            calls[i].request.identity = as != NULL ? &as->id : NULL;
            http_call_send(&calls[i]);
        }
        loop_run(calls[0].f->loop);
        for (size_t i = 0; i < CALLS; i++) {
            const struct client *as = who[(i + round) % 3];
            assert_string_equal(calls[i].error, "");
            assert_string_equal(calls[i].body, as != NULL ? as->leaf.thumbprint : "none");
        }
    }
    free(calls);
}

static void test_own_connection_is_reused(void **state) {
    struct http_call first;
    struct http_call second;
    http_call_init(&first, *state, "asks", "/stats");
    first.request.identity = &a.id;
    http_call_run(&first);
    http_call_init(&second, *state, "asks", "/stats");
    second.request.identity = &a.id;
    http_call_run(&second);
    assert_int_equal(first.code, EDGE_OK);
    assert_string_equal(first.body, second.body); /* no further connection */
}

static void test_copied(void **state) {
    struct http_call c;
    char *cert = slice_dup(a.id.cert_pem);
    char *key = slice_dup(a.id.key_pem);
    assert_non_null(cert);
    assert_non_null(key);
    struct http_client_identity id = {slice_str(cert), slice_str(key)};
    http_call_init(&c, *state, "asks", "/peer");
    c.request.identity = &id;
    http_call_send(&c);
    memset(cert, 'x', strlen(cert));
    memset(key, 'x', strlen(key));
    free(cert);
    free(key);
    id = b.id;
    loop_run(c.f->loop);
    assert_string_equal(c.body, a.leaf.thumbprint);
}

static void test_refused_by_server(void **state) {
    const struct http_client_identity *const bad[] = {NULL, &stranger.id, &late.id};
    static const char *const texts[] = {"certificate required", "unknown ca",
                                        "certificate expired"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        struct http_call c;
        ask(&c, *state, "demands", bad[i]);
        assert_int_equal(c.code, EDGE_NET);
        assert_int_equal(c.status, 0);
        http_call_assert_contains(c.error, "'127.0.0.1' did not accept our client certificate");
        http_call_assert_contains(c.error, texts[i]);
    }
    expect_peer(*state, "demands", &a);
}

static void test_unusable(void **state) {
    static const char locked[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
                                 "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAc\n"
                                 "-----END ENCRYPTED PRIVATE KEY-----\n";
    const struct http_client_identity bad[] = {
        {a.id.cert_pem, b.id.key_pem},
        {a.id.cert_pem, SLICE_LIT(locked)},
        {a.id.cert_pem, SLICE_LIT("x")},
        {SLICE_LIT("x"), a.id.key_pem},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        struct http_call c;
        ask(&c, *state, "asks", &bad[i]);
        assert_int_equal(c.code, EDGE_INVALID);
        http_call_assert_contains(c.error, "client certificate for '127.0.0.1' cannot be used");
    }
}

static void test_through_proxy(void **state) {
    struct http_calls *f = *state;
    char proxy[HTTP_CALL_URL_MAX];
    (void)snprintf(proxy, sizeof(proxy), "http://porter:sesame@127.0.0.1:%u",
                   fault_server_port(&http_calls_server, "proxy"));
    http_calls_reopen(f, proxy, "");
    expect_peer(f, "asks", &a);
    expect_peer(f, "asks", NULL);
    expect_peer(f, "asks", &b);
}

struct renewal {
    struct http_calls *f;
    struct http_call call;
    bool stopped;
    bool has_note;
    uint64_t version;
    enum edge_code code;
};

static void on_cert(void *data, enum edge_code code, const struct device_cert_view *view,
                    const struct edge_error *err) {
    struct renewal *r = data;
    (void)err;
    r->code = code;
    assert_int_equal(code, EDGE_OK);
    r->has_note = view->note != NULL;
    r->version = view->version;
    const struct http_client_identity id = {view->cert_pem, view->key_pem};
    http_call_init(&r->call, r->f, "demands", "/peer");
    r->call.request.identity = &id;
    http_call_send(&r->call);
    r->call.request.identity = NULL;
}

static void expect_renewal(struct renewal *r, struct device_cert *dc, const struct client *who,
                           uint64_t version, bool has_note) {
    assert_int_equal(device_cert_get(dc, on_cert, r, NULL, NULL), EDGE_OK);
    loop_run(r->f->loop);
    assert_string_equal(r->call.error, "");
    assert_string_equal(r->call.body, who->leaf.thumbprint);
    assert_int_equal(r->version, version);
    assert_int_equal(r->has_note, has_note);
}

static void on_stopped(void *data) {
    ((struct renewal *)data)->stopped = true;
}

static void test_renewed_files(void **state) {
    struct renewal r = {.f = *state};
    struct tmpdir *dir = tmpdir_new();
    struct worker *w = NULL;
    struct device_cert *dc = NULL;
    char cert[PATH_MAX];
    (void)snprintf(cert, sizeof(cert), "%s", tmpdir_join(dir, "id.pem"));
    tmpdir_write(dir, "id.pem", a.cert.data, a.cert.len, 0644);
    tmpdir_write(dir, "id.key", a.key.data, a.key.len, 0600);
    assert_int_equal(worker_new(r.f->loop, "test", &w, NULL), EDGE_OK);
    assert_int_equal(device_cert_new(w, cert, tmpdir_join(dir, "id.key"), &dc, NULL), EDGE_OK);
    expect_renewal(&r, dc, &a, 1, false);
    expect_renewal(&r, dc, &a, 1, false);
    tmpdir_write(dir, "id.pem", b.cert.data, b.cert.len, 0644);
    expect_renewal(&r, dc, &a, 1, true); /* half of it is no renewal */
    tmpdir_write(dir, "id.key", b.key.data, b.key.len, 0600);
    expect_renewal(&r, dc, &b, 2, false);
    tmpdir_write(dir, "id.pem", late.cert.data, late.cert.len, 0644);
    tmpdir_write(dir, "id.key", late.key.data, late.key.len, 0600);
    expect_renewal(&r, dc, &b, 2, true);
    worker_stop(w, NULL, on_stopped, &r);
    loop_run(r.f->loop);
    assert_true(r.stopped);
    device_cert_free(dc);
    worker_free(w);
    tmpdir_free(dir);
}

static enum edge_code one_request(void *data) {
    struct http_calls f = {.loop = NULL};
    struct http_client_options opt = {.ca_dir = http_calls_server.store,
                                      .extra_ca_file = http_calls_server.extra_ca,
                                      .https_proxy = ""};
    struct http_call *c = data;
    enum edge_code code = loop_new(&f.loop, NULL);
    if (code == EDGE_OK) {
        code = http_client_new(f.loop, &opt, &f.client, NULL);
    }
    if (code == EDGE_OK) {
        http_call_init(c, &f, "asks", "/peer");
        c->request.identity = &a.id;
        code = http_client_send(f.client, &c->request, &c->op, NULL);
        op_cancel(loop_ops(f.loop), c->op); /* the handshake is OpenSSL's own affair */
        loop_run(f.loop);
        assert_int_equal(c->done_cnt, code == EDGE_OK ? 1 : 0);
        http_client_close(f.client, http_calls_on_closed, &f);
        loop_run(f.loop);
        assert_true(f.closed);
        http_client_free(f.client);
    }
    loop_free(f.loop);
    return code;
}

static void test_torture(void **state) {
    (void)state;
    struct http_call c;
    assert_in_range(alloc_fail_torture(one_request, &c), 10, 2000);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, http_calls_set_up, http_calls_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_each_as_itself),
        TEST(test_at_the_same_time),
        TEST(test_own_connection_is_reused),
        TEST(test_copied),
        TEST(test_refused_by_server),
        TEST(test_unusable),
        TEST(test_through_proxy),
        TEST(test_renewed_files),
        cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
