/* SPDX-License-Identifier: MIT */
/*
 * `iotedge tpm sas-token`: a token signed with the key of the device's identity.
 */
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/direct.h"
#include "cli/options.h"

#include "base/json.h"
#include "cloud/sas.h"
#include "provisioning/state.h"

#include <inttypes.h>

#define LIFE_MAX_S 86400
#define TOKEN_MAX  ((size_t)8 * 1024)

struct options {
    struct cli cli;
    const char *resource;
    uint64_t life_s;
};

static const char help[] =
    "Usage: iotedge tpm sas-token --resource URI --expiry SECONDS [OPTION]...\n"
    "Print a shared access signature token, signed in the TPM with the key of the device's\n"
    "identity. Whoever has it acts as this device for the resource until it expires, which\n"
    "the JSON object has as 'expiry', in seconds since 1970.\n"
    "\n"
    "      --resource URI         what the token is for: HUB/devices/DEVICE\n"
    "      --expiry SECONDS       how long it is good, 1 to 86400\n" CLI_OPTIONS_HELP "\n"
    "For root and members of the daemon's group; root when the daemon does not run. Exit\n"
    "codes: 0 printed, 1 failure, 2 usage.\n";

static int parse(int argc, char **argv, struct options *ret) {
    const char *life = NULL;
    const struct cli_option own[] = {{.name = "resource", .value = &ret->resource},
                                     {.name = "expiry", .value = &life}};
    const struct cli_options options = {.help = help, .own = own, .cnt = EDGE_ARRAY_LEN(own)};
    int status = cli_options_parse(argc, argv, &options, &ret->cli);
    if (status != CLI_GO_ON) {
        return status;
    }
    if (life != NULL &&
        (!slice_parse_u64(slice_str(life), LIFE_MAX_S, &ret->life_s) || ret->life_s == 0)) {
        return cli_misuse(&ret->cli, "--expiry is a number of seconds from 1 to %d", LIFE_MAX_S);
    }
    if (life == NULL || ret->resource == NULL || ret->resource[0] == '\0') {
        return cli_misuse(&ret->cli, "--resource and --expiry are needed");
    }
    return CLI_GO_ON;
}

/* Appends the daemon's answer: {"token":...,"expiry":...}. */
static enum edge_code by_daemon(const struct options *o, const struct edge_config *cfg,
                                struct buf *answer, struct edge_error *err) {
    struct buf body;
    struct json_writer w;
    buf_init(&body, 4096);
    json_begin(&w, &body);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "resource", o->resource);
    json_add_i64(&w, "expiry", (int64_t)o->life_s);
    json_object_close(&w);
    enum edge_code code = json_end(&w, err);
    if (code == EDGE_OK) {
        const struct ask_request req = {
            .method = "POST", .path = "/edged/token", .body = buf_slice(&body), .sensitive = true};
        code = ask_daemon(cfg, &req, answer, err);
    }
    buf_clear(&body);
    return code;
}

static enum edge_code find_key(const struct direct *d, uint64_t *ret_generation,
                               struct edge_error *err) {
    struct state state = {0};
    char note[256];
    enum edge_code code = state_load(d->state_dir, d->hsm, &state, note, sizeof(note), err);
    if (code != EDGE_OK) {
        return code;
    }
    if (!state.has_current) {
        return edge_set(err, EDGE_CONFLICT,
                        "the device has no identity yet, or its key is gone: start the daemon");
    }
    if (state.current.credential == PROVISIONING_CERT) {
        return edge_set(err, EDGE_CONFLICT,
                        "this device proves itself with a certificate and has no key to sign "
                        "tokens with");
    }
    *ret_generation = state.current.key_generation;
    return EDGE_OK;
}

static enum edge_code sign(struct direct *d, const struct options *o, int64_t expiry_s,
                           struct buf *token, struct edge_error *err) {
    struct buf message;
    uint64_t generation;
    uint8_t mac[HSM_MAC_LEN];
    enum edge_code code = find_key(d, &generation, err);
    buf_init(&message, TOKEN_MAX);
    if (code == EDGE_OK) {
        code = sas_resource(slice_str(o->resource), &message, err);
    }
    const size_t resource_len = message.len;
    if (code == EDGE_OK) {
        code = buf_printf(&message, err, "\n%" PRId64, expiry_s);
    }
    if (code == EDGE_OK) {
        code = hsm_identity_sign(d->hsm, generation, buf_slice(&message), mac, err);
    }
    if (code == EDGE_OK) {
        code = sas_format(slice_make(message.data, resource_len), expiry_s, mac, NULL, token, err);
    }
    secret_wipe(mac, sizeof(mac));
    buf_clear(&message);
    return code;
}

static enum edge_code directly(const struct options *o, const struct edge_config *cfg,
                               struct buf *answer, struct edge_error *err) {
    struct direct d;
    struct buf token;
    struct json_writer w;
    int64_t now_s = 0;
    buf_init_sensitive(&token, TOKEN_MAX);
    enum edge_code code = direct_open(cfg, &d, err);
    if (code == EDGE_OK) {
        code = direct_time(&d, &now_s, err);
    }
    const int64_t expiry_s = now_s + (int64_t)o->life_s;
    if (code == EDGE_OK) {
        code = sign(&d, o, expiry_s, &token, err);
    }
    direct_close(&d);
    if (code == EDGE_OK) {
        json_begin(&w, answer);
        json_object_open(&w, NULL);
        json_add_str(&w, "token", buf_slice(&token));
        json_add_i64(&w, "expiry", expiry_s);
        json_object_close(&w);
        code = json_end(&w, err);
    }
    buf_clear(&token);
    return code;
}

static enum edge_code make(const void *options, const struct edge_config *cfg, struct buf *out,
                           struct edge_error *err) {
    const struct options *o = options;
    struct buf answer;
    buf_init_sensitive(&answer, ASK_ANSWER_MAX);
    enum edge_code code = by_daemon(o, cfg, &answer, err);
    if (code == EDGE_NOT_FOUND) {
        code = directly(o, cfg, &answer, err);
    }
    if (code == EDGE_OK) {
        code = cli_answer(&o->cli, buf_slice(&answer), "token", out, err);
    }
    buf_clear(&answer);
    return code;
}

int command_sas_token(int argc, char **argv) {
    struct options o = {.cli = {.command = "iotedge tpm sas-token", .file = CONFIG_PATH_DEFAULT}};
    int status = parse(argc, argv, &o);
    return status == CLI_GO_ON ? cli_run(&o.cli, make, &o) : status;
}
