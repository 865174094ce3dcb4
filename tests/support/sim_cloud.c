/* SPDX-License-Identifier: MIT */
#include "support/sim_cloud.h"

#include "base/b64.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mac.h"
#include "cloud/device_cert.h"
#include "cloud/sas.h"
#include "support/fake_loop.h"
#include "support/fake_wall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t start_ms;

int64_t sim_cloud_true_s(void) {
    return FAKE_LOOP_WALL_S + (int64_t)((clock_mono_ms() - start_ms) / 1000);
}

/* --- Tokens --- */

/* Whether the request carries the token that this key makes, and it has not expired. */
static bool is_token_good(const struct fake_http_call *call, const char *audience, const char *key,
                          const char *key_name) {
    uint8_t mac[HSM_MAC_LEN];
    char text[512];
    struct buf resource, token;
    const char *at = strstr(call->headers, "&se=");
    if (at == NULL || key[0] == '\0') {
        return false;
    }
    int64_t expiry = strtoll(at + 4, NULL, 10);
    buf_init(&resource, sizeof(text));
    buf_init(&token, 2 * sizeof(text));
    assert_int_equal(sas_resource(slice_str(audience), &resource, NULL), EDGE_OK);
    int len = snprintf(text, sizeof(text), "%s\n%lld", buf_cstr(&resource), (long long)expiry);
    assert_int_equal(hmac_sha256(key, strlen(key), text, (size_t)len, mac, NULL), EDGE_OK);
    assert_int_equal(sas_format(buf_slice(&resource), expiry, mac, key_name, &token, NULL),
                     EDGE_OK);
    bool good = strstr(call->headers, buf_cstr(&token)) != NULL && expiry > sim_cloud_true_s();
    buf_clear(&resource);
    buf_clear(&token);
    return good;
}

/* --- The provisioning service --- */

static const char *b64(const char *text) {
    static char out[128];
    struct buf buf;
    buf_init(&buf, sizeof(out));
    assert_int_equal(b64_encode(text, strlen(text), &buf, NULL), EDGE_OK);
    (void)snprintf(out, sizeof(out), "%s", buf_cstr(&buf));
    buf_clear(&buf);
    return out;
}

static void throttle(struct sim_cloud *c, struct fake_http_answer *ret) {
    ret->status = 429;
    ret->body = "{\"errorCode\":429001,\"message\":\"Operations are being throttled\"}";
    if (c->throttled++ % 2 == 0) {
        (void)snprintf(c->retry_after, sizeof(c->retry_after), "%u", c->throttle_s);
    } else {
        clock_format_http(sim_cloud_true_s() + c->throttle_s, c->retry_after);
    }
    ret->retry_after = c->retry_after;
    /* A date has no parts of a second. */
    c->not_before_ms = clock_mono_ms() / 1000 * 1000 + (uint64_t)c->throttle_s * 1000;
}

/* Every registration gives another key: the hardest case that the interface allows. */
static void assign(struct sim_cloud *c, struct fake_http_answer *ret) {
    c->registrations++;
    (void)snprintf(c->hub, sizeof(c->hub), "%s", c->assigns);
    (void)snprintf(c->key, sizeof(c->key), "device-key-%u", c->registrations);
    (void)snprintf(c->body, sizeof(c->body),
                   "{\"operationId\":\"4.dd\",\"status\":\"assigned\",\"registrationState\":{"
                   "\"registrationId\":\"" SIM_ID
                   "\",\"status\":\"assigned\",\"assignedHub\":\"%s\","
                   "\"deviceId\":\"" SIM_ID "\",\"tpm\":{\"authenticationKey\":\"%s\"}}}",
                   c->hub, b64(c->key));
    ret->body = c->body;
}

static void serve_dps(struct sim_cloud *c, const struct fake_http_call *call,
                      struct fake_http_answer *ret) {
    c->dps_requests++;
    c->early += clock_mono_ms() < c->not_before_ms ? 1 : 0;
    if (c->away) {
        *ret = (struct fake_http_answer){.code = EDGE_NET};
    } else if (c->throttle_s > 0) {
        throttle(c, ret);
    } else if (strstr(call->headers, "Authorization: ") == NULL) {
        (void)snprintf(c->challenge, sizeof(c->challenge), "challenge-%u", c->dps_requests);
        (void)snprintf(c->body, sizeof(c->body), "{\"authenticationKey\":\"%s\"}",
                       b64(c->challenge));
        ret->status = 401;
        ret->body = c->body;
    } else if (!is_token_good(call, SIM_SCOPE "/registrations/" SIM_ID, c->challenge,
                              "registration")) {
        ret->status = 401;
        ret->body = "{\"errorCode\":401002}";
    } else if (strcmp(call->method, "PUT") == 0) {
        ret->status = 202;
        ret->body = "{\"operationId\":\"4.dd\",\"status\":\"assigning\"}";
        ret->retry_after = "3";
    } else {
        assign(c, ret);
    }
}

/* --- The hubs --- */

static void note_verdict(struct sim_cloud *c, bool accepted) {
    uint64_t now = clock_mono_ms();
    if (!accepted) {
        c->hub_refusals++;
        c->refused_ms = c->refused_ms != 0 ? c->refused_ms : now;
        return;
    }
    if (c->refused_ms != 0 && now - c->refused_ms > c->gap_max_ms) {
        c->gap_max_ms = now - c->refused_ms;
    }
    c->refused_ms = 0;
    c->accepted_ms = now;
}

static void serve_hub(struct sim_cloud *c, const char *host, const struct fake_http_call *call,
                      struct fake_http_answer *ret) {
    char audience[128];
    bool here = strcmp(host, c->hub) == 0;
    c->hub_requests++;
    (void)snprintf(audience, sizeof(audience), "%s/devices/" SIM_ID, host);
    bool good = here && is_token_good(call, audience, c->key, NULL);
    note_verdict(c, good);
    if (good) {
        ret->body = "[]";
    } else if (here || c->gone_is_401) {
        ret->status = 401;
        ret->body = "{\"Message\":\"ErrorCode:IotHubUnauthorizedAccess;Unauthorized\"}";
    } else {
        ret->status = 404;
        ret->body = "{\"Message\":\"ErrorCode:DeviceNotFound;no such device\"}";
    }
}

/* --- Both --- */

static bool serve(void *data, const struct fake_http_call *call, struct fake_http_answer *ret) {
    struct sim_cloud *c = data;
    struct slice host, rest;
    char name[64];
    assert_true(slice_cut(slice_str(call->url + strlen("https://")), '/', &host, &rest));
    assert_true(slice_to_array(host, name, sizeof(name)));
    clock_format_http(sim_cloud_true_s(), c->date);
    *ret = (struct fake_http_answer){.status = 200, .date = c->date};
    if (strcmp(name, SIM_DPS_HOST) == 0) {
        serve_dps(c, call, ret);
    } else {
        serve_hub(c, name, call, ret);
    }
    int64_t off = sim_cloud_true_s() - wall_now_s(c->wall);
    if (ret->code == EDGE_OK && (off > WALL_HINT_S || off < -WALL_HINT_S)) {
        fake_wall_set(c->wall, WALL_CORRECTED, sim_cloud_true_s() - clock_wall_s());
    }
    return true;
}

void sim_cloud_init(struct sim_cloud *c, struct http_client *http) {
    start_ms = clock_mono_ms();
    *c = (struct sim_cloud){0};
    fake_http_serve(http, serve, c);
}

void sim_cloud_move(struct sim_cloud *c, const char *hub, bool gone_is_401) {
    c->assigns = hub;
    c->gone_is_401 = gone_is_401;
    c->hub[0] = '\0';
    c->key[0] = '\0';
}

/* --- Parts that a device with a TPM and a configured registration id does not use --- */

enum edge_code hsm_registration_id(const uint8_t *ek, size_t ek_len, char ret[64],
                                   struct edge_error *err) {
    (void)ek;
    (void)ek_len;
    (void)ret;
    return edge_set(err, EDGE_UNSUPPORTED, "the registration id is configured");
}

enum edge_code device_cert_new(struct worker *w, const char *cert_path, const char *key_path,
                               struct device_cert **ret, struct edge_error *err) {
    (void)w;
    (void)cert_path;
    (void)key_path;
    (void)ret;
    return edge_set(err, EDGE_UNSUPPORTED, "there are no certificates");
}

void device_cert_free(struct device_cert *dc) {
    assert_null(dc);
}

void device_cert_use_store(struct device_cert *dc, struct hsm *h) {
    (void)dc;
    (void)h;
}

void device_cert_set_wall(struct device_cert *dc, const struct wall *wall) {
    (void)dc;
    (void)wall;
}
