/* SPDX-License-Identifier: MIT */
/*
 * Which way requests go, and that no password of a proxy is told to anybody else.
 */
#include "loop/http_client_proxy.h"

#include "support/alloc_fail.h"
#include "support/http_calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DEAD_PROXY "http://127.0.0.1:1"

static const char *proxy_url(const char *before) {
    static char url[HTTP_CALL_URL_MAX];
    (void)snprintf(url, sizeof(url), "%s127.0.0.1:%u", before,
                   fault_server_port(&http_calls_server, "proxy"));
    return url;
}

static void set_env(const char *name, const char *value) {
    assert_int_equal(value != NULL ? setenv(name, value, 1) : unsetenv(name), 0);
}

/* A name that only the proxy can reach; the certificate found there is for another. */
static bool goes_through(struct http_calls *f) {
    struct http_call c;
    http_call_init(&c, f, "good", "/ok");
    (void)snprintf(c.url, sizeof(c.url), "https://hub.invalid:%u/ok",
                   fault_server_port(&http_calls_server, "good"));
    http_call_run(&c);
    assert_int_equal(c.code, EDGE_NET);
    http_call_assert_lacks(c.error, "sesame");
    return strstr(c.error, "certificate of 'hub.invalid' is not valid") != NULL;
}

static void test_from_options(void **state) {
    struct http_calls *f = *state;
    static const char *const good[] = {"http://porter:sesame@", "porter:sesame@",
                                       "http://p%6frter:s%65same@", "HTTP://porter:sesame@"};
    set_env("https_proxy", DEAD_PROXY);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(good); i++) {
        http_calls_reopen(f, proxy_url(good[i]), "");
        assert_true(goes_through(f));
        struct http_call c;
        http_call_get(&c, f, "good", "/ok");
        assert_int_equal(c.code, EDGE_OK);
        assert_string_equal(c.retry_after, ""); /* the proxy's own headers are not the answer's */
        assert_true(c.tls_verified);
    }
    char text[64];
    assert_true(http_client_proxy_in_use(f->client, text, sizeof(text)));
    http_call_assert_contains(text, "HTTP://***@127.0.0.1:");
    http_calls_reopen(f, "", "");
    assert_true(http_client_proxy_in_use(f->client, text, sizeof(text)));
    assert_string_equal(text, "");
    struct http_call c;
    http_call_get(&c, f, "good", "/ok");
    assert_int_equal(c.code, EDGE_OK);
    assert_false(goes_through(f));
    set_env("https_proxy", NULL);
}

static void test_from_environment(void **state) {
    struct http_calls *f = *state;
    set_env("HTTPS_PROXY", proxy_url("http://porter:sesame@"));
    set_env("https_proxy", ""); /* as good as unset */
    http_calls_reopen(f, NULL, NULL);
    set_env("HTTPS_PROXY", DEAD_PROXY); /* what counts is how it was then */
    assert_true(goes_through(f));
    set_env("https_proxy", proxy_url("http://porter:sesame@"));
    http_calls_reopen(f, NULL, NULL);
    assert_true(goes_through(f));
    set_env("https_proxy", NULL);
    set_env("HTTPS_PROXY", NULL);
    set_env("http_proxy", proxy_url("http://porter:sesame@"));
    set_env("all_proxy", proxy_url("http://porter:sesame@"));
    http_calls_reopen(f, NULL, NULL);
    assert_false(goes_through(f));
    set_env("http_proxy", NULL);
    set_env("all_proxy", NULL);
}

static void test_exceptions(void **state) {
    struct http_calls *f = *state;
    static const struct {
        const char *option;
        const char *lower;
        const char *upper;
        bool is_direct;
    } rows[] = {
        {"127.0.0.1", NULL, NULL, true},    {"*", NULL, NULL, true},
        {"hub.example", NULL, NULL, false}, {"", "127.0.0.1", "127.0.0.1", false},
        {NULL, "127.0.0.1", NULL, true},    {NULL, NULL, "a.example,127.0.0.1", true},
        {NULL, "", "127.0.0.1", true},      {NULL, "other", "127.0.0.1", false},
        {"127.0.0.0/8", NULL, NULL, true},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct http_call c;
        set_env("no_proxy", rows[i].lower);
        set_env("NO_PROXY", rows[i].upper);
        http_calls_reopen(f, DEAD_PROXY, rows[i].option);
        http_call_get(&c, f, "good", "/ok");
        assert_int_equal(c.code, rows[i].is_direct ? EDGE_OK : EDGE_NET);
    }
    set_env("no_proxy", NULL);
    set_env("NO_PROXY", NULL);
}

static void test_not_for_the_rest(void **state) {
    struct http_calls *f = *state;
    static const char *const kinds[] = {"sock", "plain"};
    set_env("http_proxy", DEAD_PROXY);
    set_env("all_proxy", DEAD_PROXY);
    http_calls_reopen(f, DEAD_PROXY, "");
    for (size_t i = 0; i < EDGE_ARRAY_LEN(kinds); i++) {
        struct http_call c;
        http_call_get(&c, f, kinds[i], "/ok");
        assert_string_equal(c.error, "");
        assert_int_equal(c.code, EDGE_OK);
        assert_int_equal(c.status, 200);
        assert_false(c.tls_verified);
    }
    set_env("http_proxy", NULL);
    set_env("all_proxy", NULL);
}

static void test_refusals_of_the_proxy(void **state) {
    struct http_calls *f = *state;
    struct http_call c;
    http_calls_reopen(f, proxy_url("http://porter:wrongword@"), "");
    http_call_get(&c, f, "good", "/ok");
    assert_int_equal(c.code, EDGE_NET);
    http_call_assert_contains(c.error, "the proxy answered with status 407");
    http_call_assert_lacks(c.error, "wrongword");
    http_calls_reopen(f, "http://porter:wrongword@name.invalid:3128", "");
    http_call_get(&c, f, "good", "/ok");
    assert_int_equal(c.code, EDGE_NET);
    http_call_assert_contains(c.error, "could not find the proxy");
    http_call_assert_lacks(c.error, "wrongword");
    http_calls_reopen(f, "http://porter:wrongword@127.0.0.1:1", "");
    http_call_get(&c, f, "good", "/ok");
    assert_int_equal(c.code, EDGE_NET);
    http_call_assert_lacks(c.error, "wrongword");
}

static void refuse(struct loop *l, const char *proxy, const char *where) {
    const struct http_client_options opt = {.https_proxy = proxy};
    struct http_client *c = NULL;
    struct edge_error err;
    assert_int_equal(http_client_new(l, &opt, &c, &err), EDGE_INVALID);
    assert_null(c);
    http_call_assert_contains(err.text, where);
    http_call_assert_contains(err.text, "[http://][user:password@]host[:port]");
    http_call_assert_lacks(err.text, "wrong");
}

static void test_malformed(void **state) {
    struct http_calls *f = *state;
    static const char *const bad[] = {
        "http://porter:wrong word@127.0.0.1:3128",
        "http://porter:wrong/word@127.0.0.1:3128",
        "http://porter:wrongword@127.0.0.1:99999",
        "http://porter:wrongword@",
        "http://porter:wrong%0aword@127.0.0.1",
        "bogus://porter:wrongword@127.0.0.1:1",
        "://porter:wrongword@127.0.0.1",
        "http://",
        "http://porter:wrongword",
        "http://[::1",
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        refuse(f->loop, bad[i], "the configuration");
    }
    set_env("HTTPS_PROXY", bad[0]);
    refuse(f->loop, NULL, "HTTPS_PROXY");
    set_env("HTTPS_PROXY", NULL);
    static char big[HTTP_CLIENT_NO_PROXY_MAX + 2];
    memset(big, 'x', sizeof(big) - 1);
    struct http_client *c = NULL;
    struct http_client_options opt = {.https_proxy = "", .no_proxy = big};
    assert_int_equal(http_client_new(f->loop, &opt, &c, NULL), EDGE_RANGE);
    opt = (struct http_client_options){.https_proxy = big, .no_proxy = ""};
    assert_int_equal(http_client_new(f->loop, &opt, &c, NULL), EDGE_RANGE);
}

static void test_text_for_logs(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"http://proxy.example:3128", "http://proxy.example:3128"},
        {"http://porter:sesame@proxy.example:3128/", "http://***@proxy.example:3128"},
        {"porter:sesame@proxy.example", "***@proxy.example"},
        {"https://porter@proxy.example", "https://***@proxy.example"},
        {"http://porter:se@same@proxy.example", "http://***@proxy.example"},
        {"http://porter:se/s?a#me@proxy.example", "http://***@proxy.example"},
        {"http://proxy.example/?token=sesame", "http://proxy.example"},
        {"porter:se://same@proxy.example", NULL},
        {"", ""},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        char out[64];
        bool fits = http_client_proxy_text(rows[i][0], out, sizeof(out));
        http_call_assert_lacks(out, "same");
        if (rows[i][1] != NULL) {
            assert_true(fits);
            assert_string_equal(out, rows[i][1]);
            for (size_t size = 0; size <= strlen(rows[i][1]); size++) {
                assert_false(http_client_proxy_text(rows[i][0], out, size));
                assert_string_equal(out, size > 0 ? "" : rows[i][1]);
                (void)http_client_proxy_text(rows[i][0], out, sizeof(out));
            }
        }
    }
}

static enum edge_code init_once(void *data) {
    const struct http_client_options *opt = data;
    struct http_client_proxy p;
    enum edge_code code = http_client_proxy_init(&p, opt, NULL);
    http_client_proxy_clear(&p);
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    struct http_client_options opt = {.https_proxy = "http://porter:sesame@proxy.example:3128",
                                      .no_proxy = "a"};
    assert_true(alloc_fail_torture(init_once, &opt) >= 2);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, http_calls_set_up, http_calls_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_from_options),
        TEST(test_from_environment),
        TEST(test_exceptions),
        TEST(test_not_for_the_rest),
        TEST(test_refusals_of_the_proxy),
        TEST(test_malformed),
        cmocka_unit_test(test_text_for_logs),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, http_calls_start_server, http_calls_stop_server);
}
