/* SPDX-License-Identifier: MIT */
/*
 * Members are never left out, so that scripts need not ask whether one is there.
 */
#include "provisioning/report.h"

#include "base/clock.h"
#include "base/json.h"
#include "provisioning/key_place.h"

#include <stdio.h>
#include <string.h>

#define DAY_S 86400

static void add_time(struct json_writer *w, const char *name, int64_t wall_s) {
    char text[CLOCK_RFC3339_LEN];
    if (wall_s == 0) {
        json_add_null(w, name);
        return;
    }
    clock_format_rfc3339(wall_s, text);
    json_add_cstr(w, name, text);
}

static const char *key_place(const struct report *r) {
    return r->config->hsm_backend == CONFIG_HSM_TPM ? KEY_PLACE_TPM : KEY_PLACE_FILE;
}

/* "certificate", or where the key lies. */
static const char *credential_name(const struct report *r) {
    if (r->status->result.credential == PROVISIONING_CERT) {
        return "certificate";
    }
    return key_place(r);
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
    json_add_cstr_or_null(w, "state",
                          r->running ? provisioning_state_name(r->status->state) : NULL);
    json_add_cstr_or_null(w, "registrationId", r->status->registration_id);
    json_add_bool(w, "dynamicReprovisioning", r->config->provisioning.dynamic_reprovisioning);
    json_add_bool(w, "moduleKeysOfPredecessor", r->status->legacy_root != 0);
    json_object_close(w);
}

static void add_contact(struct json_writer *w, const struct provisioning_status *st) {
    json_object_open(w, "contact");
    add_time(w, "next", st->next_try_wall_s);
    json_add_cstr_or_null(w, "why", st->next_why);
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
    json_add_cstr_or_null(w, "state", state);
    json_add_cstr_or_null(w, "text", text);
    json_object_close(w);
}

/* Rounded down, also below zero. */
static int64_t days_left(int64_t now_wall_s, int64_t not_after_wall_s) {
    int64_t left_s = not_after_wall_s - now_wall_s;
    return left_s >= 0 ? left_s / DAY_S : -((-left_s + DAY_S - 1) / DAY_S);
}

static void add_cert(struct json_writer *w, const struct report_cert *c, int64_t now_wall_s) {
    json_object_open(w, NULL);
    json_add_cstr_or_null(w, "name", c->name);
    json_add_cstr_or_null(w, "source", c->source);
    json_add_cstr_or_null(w, "subject", c->subject);
    add_time(w, "notBefore", c->not_before_wall_s);
    add_time(w, "notAfter", c->not_after_wall_s);
    json_add_i64(w, "daysLeft", days_left(now_wall_s, c->not_after_wall_s));
    add_time(w, "renewAt", c->renew_at_wall_s);
    json_object_close(w);
}

static void add_certs(struct json_writer *w, const struct report *r) {
    if (r->certs == NULL) {
        json_add_null(w, "certificates");
    } else {
        json_array_open(w, "certificates");
        for (size_t i = 0; i < r->cert_cnt; i++) {
            add_cert(w, &r->certs[i], r->now_wall_s);
        }
        json_array_close(w);
    }
    json_add_cstr_or_null(w, "certificatesNote", r->cert_note);
}

/* The store is bound to something else than the configuration wants, and can be bound anew. */
static bool is_reseal_needed(const struct report *r) {
    return r->store != NULL && r->store->state != NULL &&
           strcmp(r->store->state, REPORT_STORE_LOCKED) != 0 &&
           r->config->tpm_pcrs != r->store->pcrs;
}

enum edge_code report_encode(const struct report *r, struct buf *out, struct edge_error *err) {
    struct json_writer w;
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_add_bool(&w, "running", r->running);
    json_add_cstr(&w, "version", EDGE_VERSION);
    json_add_cstr_or_null(&w, "note", r->note);
    add_time(&w, "now", r->now_wall_s);
    add_identity(&w, r);
    add_provisioning(&w, r);
    add_contact(&w, r->status);
    add_error(&w, r->status);
    json_object_open(&w, "keyStore");
    json_add_cstr(&w, "backend", key_place(r));
    json_add_cstr_or_null(&w, "state", r->key_store_state);
    json_add_cstr_or_null(&w, "text", r->key_store_text);
    json_object_close(&w);
    add_state(&w, "clock", r->clock_state, r->clock_text);
    add_state(&w, "edgeAgent", r->agent_state, r->agent_text);
    add_certs(&w, r);
    report_store_add(&w, "sealedStore", r->store);
    json_add_bool(&w, "resealNeeded", is_reseal_needed(r));
    add_key_in_config(&w, r);
    json_object_close(&w);
    return json_end(&w, err);
}
