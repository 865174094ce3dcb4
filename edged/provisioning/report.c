/* SPDX-License-Identifier: MIT */
/*
 * Members are never left out, so that scripts need not ask whether one is there.
 */
#include "provisioning/report.h"

#include "base/clock.h"
#include "base/json.h"

#include <stdio.h>

static void add_text(struct json_writer *w, const char *name, const char *text) {
    if (text != NULL && text[0] != '\0') {
        json_add_cstr(w, name, text);
    } else {
        json_add_null(w, name);
    }
}

static void add_time(struct json_writer *w, const char *name, int64_t wall_s) {
    char text[CLOCK_RFC3339_LEN];
    if (wall_s == 0) {
        json_add_null(w, name);
        return;
    }
    clock_format_rfc3339(wall_s, text);
    json_add_cstr(w, name, text);
}

/* "certificate"; or where the key lies: "tpm" or "file". */
static const char *credential_name(const struct report *r) {
    if (r->status->result.credential == PROVISIONING_CERT) {
        return "certificate";
    }
    return r->config->hsm_backend == CONFIG_HSM_TPM ? "tpm" : "file";
}

static void add_identity(struct json_writer *w, const struct report *r) {
    const struct provisioning_result *id = &r->status->result;
    if (!r->status->has_result) {
        json_add_null(w, "identity");
        return;
    }
    json_object_open(w, "identity");
    json_add_cstr(w, "hub", id->hub);
    json_add_cstr(w, "deviceId", id->device_id);
    json_add_cstr(w, "credential", credential_name(r));
    add_time(w, "since", id->since_wall_s);
    json_add_bool(w, "proven", id->proven);
    json_object_close(w);
}

static void add_provisioning(struct json_writer *w, const struct report *r) {
    json_object_open(w, "provisioning");
    json_add_cstr(w, "mode", config_provisioning_mode(&r->config->provisioning));
    add_text(w, "state", r->running ? provisioning_state_name(r->status->state) : NULL);
    add_text(w, "registrationId", r->status->registration_id);
    json_add_bool(w, "dynamicReprovisioning", r->config->provisioning.dynamic_reprovisioning);
    json_add_bool(w, "moduleKeysOfPredecessor", r->status->legacy_root != 0);
    json_object_close(w);
}

static void add_contact(struct json_writer *w, const struct provisioning_status *st) {
    json_object_open(w, "contact");
    add_time(w, "next", st->next_try_wall_s);
    add_text(w, "why", st->next_why);
    add_time(w, "last", st->last_contact_wall_s);
    add_time(w, "lastSuccess", st->last_ok_wall_s);
    json_object_close(w);
}

static void add_error(struct json_writer *w, const struct provisioning_status *st) {
    if (st->last_error.text[0] == '\0') {
        json_add_null(w, "lastError");
        return;
    }
    json_object_open(w, "lastError");
    add_time(w, "time", st->last_error_wall_s);
    json_add_cstr(w, "message", st->last_error.text);
    json_object_close(w);
}

static void add_key_in_config(struct json_writer *w, const struct report *r) {
    char text[512];
    if (r->status->key_line == 0) {
        json_add_null(w, "keyInConfig");
        return;
    }
    (void)snprintf(text, sizeof(text), "%s:%u", r->config->file, r->status->key_line);
    json_add_cstr(w, "keyInConfig", text);
}

static void add_state(struct json_writer *w, const char *name, const char *state,
                      const char *text) {
    json_object_open(w, name);
    add_text(w, "state", state);
    add_text(w, "text", text);
    json_object_close(w);
}

enum edge_code report_encode(const struct report *r, struct buf *out, struct edge_error *err) {
    struct json_writer w;
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_add_bool(&w, "running", r->running);
    json_add_cstr(&w, "version", EDGE_VERSION);
    add_text(&w, "note", r->note);
    add_time(&w, "now", r->now_wall_s);
    add_identity(&w, r);
    add_provisioning(&w, r);
    add_contact(&w, r->status);
    add_error(&w, r->status);
    json_object_open(&w, "keyStore");
    json_add_cstr(&w, "backend", r->config->hsm_backend == CONFIG_HSM_TPM ? "tpm" : "file");
    add_text(&w, "state", r->key_store_state);
    add_text(&w, "text", r->key_store_text);
    json_object_close(&w);
    add_state(&w, "clock", r->clock_state, r->clock_text);
    add_key_in_config(&w, r);
    json_object_close(&w);
    return json_end(&w, err);
}
