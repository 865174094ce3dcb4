/* SPDX-License-Identifier: MIT */
/*
 * One line for each question that an operator has, and at the end what there is to be done.
 */
#include "cli/status_text.h"

#include "base/json.h"
#include "cli/reseal_text.h"

#include <stdarg.h>
#include <stdio.h>

struct text {
    struct buf *out;
    enum edge_code code;
    struct edge_error err;
};

static EDGE_PRINTF(2, 3) void say(struct text *t, const char *fmt, ...);
static void say(struct text *t, const char *fmt, ...) {
    char line[1024];
    va_list args;
    if (t->code != EDGE_OK) {
        return;
    }
    va_start(args, fmt);
    int len = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    if (len >= 0) {
        size_t size = (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1;
        t->code = buf_append(t->out, line, size, &t->err);
    }
}

/* A member's text, with what is not printable replaced; empty when it is absent or null. */
struct shown {
    char text[512];
};

static struct shown member(const struct cJSON *obj, const char *name) {
    struct shown s = {0};
    struct slice value;
    if (obj == NULL || json_get_str(obj, name, &value, NULL) != EDGE_OK) {
        return s;
    }
    size_t len = value.len < sizeof(s.text) - 1 ? value.len : sizeof(s.text) - 1;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        s.text[i] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
    }
    return s;
}

static bool flag(const struct cJSON *obj, const char *name) {
    bool value = false;
    return obj != NULL && json_get_bool(obj, name, &value, NULL) == EDGE_OK && value;
}

static const struct cJSON *object(const struct cJSON *root, const char *name) {
    const struct cJSON *obj = NULL;
    return json_get_object(root, name, &obj, NULL) == EDGE_OK ? obj : NULL;
}

static const char *or_none(const struct shown *s, const char *none) {
    return s->text[0] != '\0' ? s->text : none;
}

static void say_identity(struct text *t, const struct cJSON *root) {
    const struct cJSON *id = object(root, "identity");
    if (id == NULL) {
        say(t, "Device:        no identity yet\n");
        return;
    }
    const struct shown device = member(id, "deviceId"), hub = member(id, "hub");
    const struct shown since = member(id, "since"), credential = member(id, "credential");
    say(t, "Device:        %s\nHub:           %s\n", device.text, hub.text);
    say(t, "Since:         %s, %s\n", or_none(&since, "unknown"),
        flag(id, "proven") ? "accepted by the hub" : "not yet accepted by the hub");
    say(t, "Credential:    %s\n", credential.text);
}

static void say_provisioning(struct text *t, const struct cJSON *root) {
    const struct cJSON *p = object(root, "provisioning"), *c = object(root, "contact");
    const struct shown mode = member(p, "mode"), state = member(p, "state");
    const struct shown id = member(p, "registrationId");
    const struct shown next = member(c, "next"), why = member(c, "why"), last = member(c, "last");
    const struct shown success = member(c, "lastSuccess");
    say(t, "Provisioning:  %s", mode.text);
    if (state.text[0] != '\0') {
        say(t, ", %s", state.text);
    }
    if (id.text[0] != '\0') {
        say(t, ", registration id %s", id.text);
    }
    say(t, "\nNext contact:  %s", or_none(&next, "none planned"));
    if (why.text[0] != '\0') {
        say(t, " (%s)", why.text);
    }
    say(t, "\nLast contact:  %s", last.text);
    if (success.text[0] != '\0') {
        say(t, last.text[0] != '\0' ? ", last success %s" : "success %s", success.text);
    } else if (last.text[0] == '\0') {
        say(t, "none");
    }
    say(t, "\n");
}

static void say_error(struct text *t, const struct cJSON *root) {
    const struct cJSON *e = object(root, "lastError");
    if (e == NULL) {
        say(t, "Last error:    none\n");
        return;
    }
    const struct shown when = member(e, "time"), message = member(e, "message");
    say(t, "Last error:    %s%s%s\n", when.text, when.text[0] != '\0' ? ": " : "", message.text);
}

static void say_state(struct text *t, const char *title, const struct cJSON *obj,
                      const char *prefix) {
    const struct shown state = member(obj, "state"), text = member(obj, "text");
    say(t, "%s%s%s", title, prefix, or_none(&state, "unknown"));
    if (text.text[0] != '\0') {
        say(t, " (%s)", text.text);
    }
    say(t, "\n");
}

/* Only a daemon knows. */
static void say_agent(struct text *t, const struct cJSON *obj) {
    const struct shown state = member(obj, "state");
    if (state.text[0] != '\0') {
        say_state(t, "edgeAgent:     ", obj, "");
    }
}

static bool is_text(const struct shown *s, const char *text) {
    return slice_eq_str(slice_str(s->text), text);
}

/* One line for each, the first one with the title. */
static void say_certificates(struct text *t, const struct cJSON *root) {
    const struct cJSON *list = NULL;
    const char *title = "Certificates:  ";
    if (json_get_array(root, "certificates", &list, NULL) != EDGE_OK) {
        return;
    }
    for (const struct cJSON *c = json_first(list); c != NULL; c = json_next(c)) {
        const struct shown name = member(c, "name"), source = member(c, "source");
        const struct shown end = member(c, "notAfter"), renew = member(c, "renewAt");
        int64_t days = 0;
        if (json_get_i64(c, "daysLeft", &days, NULL) != EDGE_OK || days < 0) {
            say(t, "%s%s (%s), expired at %s", title, name.text, source.text, end.text);
        } else {
            say(t, "%s%s (%s), %lld days left, until %s", title, name.text, source.text,
                (long long)days, end.text);
        }
        say(t, renew.text[0] != '\0' ? "; renewal at %s\n" : "%s\n", renew.text);
        title = "               ";
    }
    if (json_first(list) == NULL) {
        say(t, "%snone yet\n", title);
    }
}

static void say_sealed_store(struct text *t, const struct cJSON *root) {
    const struct cJSON *store = object(root, "sealedStore");
    const struct shown state = member(store, "state"), text = member(store, "text");
    const struct reseal_pcrs pcrs = reseal_pcr_list(store);
    if (store == NULL) {
        return;
    }
    say(t, "Sealed store:  %s", state.text);
    if (pcrs.text[0] != '\0') {
        say(t, is_text(&state, "bound") ? " to PCR %s" : ", PCR %s", pcrs.text);
    }
    if (is_text(&state, "locked") && text.text[0] != '\0') {
        say(t, " (%s)", text.text);
    }
    say(t, "\n");
}

static void say_key_store_advice(struct text *t, const struct cJSON *store) {
    const struct shown state = member(store, "state");
    if (is_text(&state, "cleared") || is_text(&state, "replaced")) {
        say(t,
            "\nThis is not the TPM, or not the state of it, that the keys belong to. To go on with "
            "it: enroll it\n('iotedge tpm info'), stop the daemon, run 'iotedge tpm "
            "accept-change'.\n");
    }
}

static void say_advice(struct text *t, const struct cJSON *root) {
    const struct shown key = member(root, "keyInConfig");
    say_key_store_advice(t, object(root, "keyStore"));
    if (key.text[0] != '\0') {
        say(t, "\nThe key store has the key at %s: it can be deleted there%s.\n", key.text,
            flag(object(root, "identity"), "proven") ? ""
                                                     : " once the hub has accepted the device");
    }
    const struct shown certs = member(root, "certificatesNote");
    if (certs.text[0] != '\0') {
        say(t, "\nCertificates: %s\n", certs.text);
    }
    if (flag(root, "resealNeeded")) {
        say(t,
            "\nThe sealed store is not bound to what tpm.pcrs said when the daemon started: "
            "'iotedge tpm reseal'\nbinds it; if tpm.pcrs was changed since, restart the daemon as "
            "well.\n");
    }
    if (flag(object(root, "provisioning"), "moduleKeysOfPredecessor")) {
        say(t, "\nModules still use the keys of release 1.1, until the hub has been reached.\n");
    }
}

enum edge_code status_text(struct slice json, struct buf *out, struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct text t = {.out = out, .code = EDGE_OK};
    const size_t start = out->len;
    enum edge_code code = json_parse(json, &root, err);
    if (code != EDGE_OK) {
        return code;
    }
    const struct shown version = member(root, "version"), note = member(root, "note");
    const struct cJSON *store = object(root, "keyStore");
    const struct shown backend = member(store, "backend");
    say(&t, "Daemon:        %s %s\n", flag(root, "running") ? "running, version" : "not running,",
        flag(root, "running") ? version.text : or_none(&note, "this is from its files"));
    say_identity(&t, root);
    say_provisioning(&t, root);
    say_error(&t, root);
    say_state(&t, "Key store:     ", store,
              backend.text[0] == '\0'  ? ""
              : backend.text[0] == 't' ? "TPM, "
                                       : "files, ");
    say_state(&t, "Clock:         ", object(root, "clock"), "");
    say_agent(&t, object(root, "edgeAgent"));
    say_certificates(&t, root);
    say_sealed_store(&t, root);
    say_advice(&t, root);
    if (t.code != EDGE_OK) {
        buf_truncate(out, start);
        return edge_set(err, t.code, "%s", edge_error_text(&t.err));
    }
    return EDGE_OK;
}
