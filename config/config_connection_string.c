/* SPDX-License-Identifier: MIT */
/*
 * Parts of a connection string, looked at in the order key, device, host as the 1.1 daemon does.
 * Unlike there a value goes to the end of its part: padding belongs to the key, and '=' is legal in
 * a device id.
 */
#include "config/config_connection_string.h"

#include "config/config_value.h"

struct part {
    const char *name;
    struct slice value; /* ptr NULL: not there */
    bool is_near;       /* there is one with this name in another case, or with blanks */
};

struct parts {
    struct part host, device, key;
    bool is_hub;  /* has the name of an access policy */
    bool is_x509; /* says that the device has a certificate */
};

static bool take_known(struct part *p, struct slice name, struct slice value) {
    if (slice_eq_str(name, p->name)) {
        p->value = value;
        return true;
    }
    p->is_near = p->is_near || slice_eq_nocase(slice_trim(name), p->name);
    return false;
}

static void take_part(struct parts *p, struct slice name, struct slice value) {
    if (take_known(&p->host, name, value) || take_known(&p->device, name, value) ||
        take_known(&p->key, name, value)) {
        return;
    }
    p->is_hub = p->is_hub || slice_eq_str(name, "SharedAccessKeyName");
    p->is_x509 = p->is_x509 || (slice_eq_nocase(name, "x509") && slice_eq_nocase(value, "true"));
}

static void split(struct slice text, struct parts *p) {
    struct slice rest = text;
    while (rest.len > 0) {
        struct slice part = rest;
        struct slice name;
        struct slice value;
        if (!slice_cut(rest, ';', &part, &rest)) {
            rest.len = 0;
        }
        if (slice_cut(part, '=', &name, &value)) {
            take_part(p, name, value);
        }
    }
}

static enum edge_code refuse_missing(const struct parts *p, const struct part *part,
                                     struct edge_error *err) {
    if (part->is_near) {
        return edge_set(err, EDGE_CONFIG,
                        "the connection string has no %s: the name is written in another way; "
                        "upper and lower case matter, and there are no blanks",
                        part->name);
    }
    if (p->is_hub) {
        return edge_set(err, EDGE_CONFIG,
                        "the connection string has no %s: it is that of the hub's access policy, "
                        "take the one of the device",
                        part->name);
    }
    return edge_set(err, EDGE_CONFIG,
                    "the connection string has no %s; it should be "
                    "HostName=HUB;DeviceId=ID;SharedAccessKey=KEY",
                    part->name);
}

static enum edge_code refuse_value(const struct part *part, const char *reason,
                                   struct edge_error *err) {
    return edge_set(err, EDGE_CONFIG, "%s of the connection string %s", part->name, reason);
}

/* Without a key the text means one that was imported, which must not come about by a slip. */
static enum edge_code check_no_key(const struct parts *p, struct edge_error *err) {
    if (p->key.is_near) {
        return refuse_missing(p, &p->key, err);
    }
    if (p->is_x509) {
        return edge_set(err, EDGE_CONFIG,
                        "the connection string says x509=true; use authentication with "
                        "method: x509");
    }
    return EDGE_OK;
}

static enum edge_code check_key(const struct parts *p, struct secret *ret, struct edge_error *err) {
    const char *reason = NULL;
    if (p->key.value.ptr == NULL) {
        return check_no_key(p, err);
    }
    if (p->key.value.len == 0) {
        return refuse_value(&p->key, "is empty; delete this part if the key has been imported",
                            err);
    }
    enum edge_code code = config_value_key(p->key.value, ret, &reason, err);
    return code == EDGE_CONFIG ? refuse_value(&p->key, reason, err) : code;
}

static enum edge_code check_name(const struct parts *p, const struct part *part,
                                 const char *(*rule)(struct slice value), struct edge_error *err) {
    if (part->value.ptr == NULL) {
        return refuse_missing(p, part, err);
    }
    const char *reason = rule(part->value);
    return reason != NULL ? refuse_value(part, reason, err) : EDGE_OK;
}

static enum edge_code check(const struct parts *p, struct config_connection_string *s,
                            struct edge_error *err) {
    enum edge_code code = check_key(p, &s->key, err);
    if (code == EDGE_OK) {
        code = check_name(p, &p->device, config_value_device_id, err);
    }
    if (code == EDGE_OK) {
        code = check_name(p, &p->host, config_value_hub_hostname, err);
    }
    s->device = p->device.value;
    s->host = p->host.value;
    return code;
}

enum edge_code config_connection_string_parse(struct slice text,
                                              struct config_connection_string *ret,
                                              struct edge_error *err) {
    if (text.len == 0) {
        return edge_set(err, EDGE_CONFIG,
                        "is empty; the page of the device in the hub shows its connection string");
    }
    if (config_value_is_placeholder(text)) {
        return edge_set(err, EDGE_CONFIG,
                        "still holds the placeholder of the template; the page of the device in "
                        "the hub shows its connection string");
    }
    struct parts parts = {.host = {.name = "HostName"},
                          .device = {.name = "DeviceId"},
                          .key = {.name = "SharedAccessKey"}};
    struct config_connection_string s = {.key = {.data = NULL}};
    split(text, &parts);
    enum edge_code code = check(&parts, &s, err);
    if (code != EDGE_OK) {
        config_connection_string_clear(&s);
        return code;
    }
    *ret = s;
    return EDGE_OK;
}

void config_connection_string_clear(struct config_connection_string *s) {
    secret_clear(&s->key);
    *s = (struct config_connection_string){.key = {.data = NULL}};
}
