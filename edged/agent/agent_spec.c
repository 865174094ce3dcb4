/* SPDX-License-Identifier: MIT */
/*
 * edgeAgent is asked for in the words in which it asks for other modules, so that its container is
 * made in the same way: `module_spec` turns the request into the body of the create call.
 */
#include "agent/agent_spec.h"

#include "agent/canonical_json.h"
#include "base/json.h"
#include "runtime/module_spec.h"

#include <stdio.h>
#include <string.h>

/* Raised when containers that run have to be made anew for what this file puts into them. */
#define SPEC_VERSION 1

#define API_VERSION                                                                                \
    "2022-08-03" /* an older edgeAgent takes one that it does not know for its own */
#define CREATE_LABEL "net.azure-devices.edge.create-options"
#define ENV_LABEL    "net.azure-devices.edge.env"
#define PATH_LEN     4096
#define TEXT_MAX     ((size_t)4 * 1024 * 1024)

/* What the configuration holds as JSON, parsed. */
struct parts {
    struct cJSON *env;
    struct cJSON *options;
};

static void parts_clear(struct parts *p) {
    json_free_sensitive(p->env);
    json_free_sensitive(p->options);
}

static enum edge_code parts_read(const struct edge_config *cfg, struct parts *p,
                                 struct edge_error *err) {
    enum edge_code code =
        json_parse_within(buf_slice(&cfg->agent.env), MODULE_SPEC_NODES_MAX, &p->env, err);
    if (code != EDGE_OK) {
        return edge_wrap(err, code, "reading agent.env");
    }
    code = json_parse_within(buf_slice(&cfg->agent.create_options), MODULE_SPEC_NODES_MAX,
                             &p->options, err);
    return code == EDGE_OK ? code : edge_wrap(err, code, "reading agent.config.createOptions");
}

/* The member that the engine takes for `name`; NULL when there is none, or it is null. */
static const struct cJSON *find(const struct cJSON *object, const char *name) {
    for (const struct cJSON *n = json_first(object); n != NULL; n = json_next(n)) {
        if (json_name_is(n, name)) {
            return json_is_null(n) ? NULL : n;
        }
    }
    return NULL;
}

static void copy_members_but(struct json_writer *w, const struct cJSON *object, const char *name) {
    for (const struct cJSON *n = json_first(object); n != NULL; n = json_next(n)) {
        if (!json_name_is(n, name)) {
            json_add_node(w, json_name(n), n);
        }
    }
}

/* Host names have no case; leaf devices and edgeHub's certificate use the small letters. */
static void lower(const char *from, char *to, size_t size) {
    size_t i = 0;
    for (; from[i] != '\0' && i + 1 < size; i++) {
        to[i] = slice_lower(from[i]);
    }
    to[i] = '\0';
}

/* --- Environment --- */

static void add_pair(struct json_writer *w, const char *name, const char *value) {
    json_object_open(w, NULL);
    json_add_cstr(w, "key", name);
    json_add_cstr(w, "value", value);
    json_object_close(w);
}

static void write_own_env(struct json_writer *w, const struct edge_config *cfg,
                          const struct agent_identity *id) {
    char hostname[256];
    char mounts[PATH_LEN];
    lower(cfg->hostname, hostname, sizeof(hostname));
    (void)snprintf(mounts, sizeof(mounts), "unix://%s/" AGENT_SOCKETS_DIR, cfg->homedir);
    add_pair(w, "IOTEDGE_IOTHUBHOSTNAME", id->hub);
    add_pair(w, "EdgeDeviceHostName", hostname);
    add_pair(w, "IOTEDGE_DEVICEID", id->device_id);
    add_pair(w, "IOTEDGE_MODULEID", AGENT_MODULE_ID);
    add_pair(w, "IOTEDGE_MODULEGENERATIONID", id->generation_id);
    add_pair(w, "IOTEDGE_WORKLOADURI", cfg->connect_workload.text);
    add_pair(w, "IOTEDGE_WORKLOADLISTEN_MNTURI", mounts);
    add_pair(w, "IOTEDGE_MANAGEMENTURI", cfg->connect_management.text);
    add_pair(w, "IOTEDGE_AUTHSCHEME", "sasToken");
    add_pair(w, "IOTEDGE_APIVERSION", API_VERSION);
    add_pair(w, "Mode", "iotedged");
    add_pair(w, "NetworkId", cfg->network.name);
}

static void write_env(struct json_writer *w, const struct edge_config *cfg,
                      const struct agent_identity *id, const struct parts *p) {
    json_array_open(w, "env");
    for (const struct cJSON *n = json_first(p->env); n != NULL; n = json_next(n)) {
        json_object_open(w, NULL);
        json_add_cstr(w, "key", json_name(n));
        json_add_node(w, "value", n);
        json_object_close(w);
    }
    write_own_env(w, cfg, id);
    json_array_close(w);
}

/* --- createOptions --- */

static void write_option_env(struct json_writer *w, const struct cJSON *given) {
    json_array_open(w, "Env");
    for (const struct cJSON *n = json_first(given); n != NULL; n = json_next(n)) {
        struct slice name = json_str(n);
        struct slice value;
        (void)slice_cut(name, '=', &name, &value);
        if (!config_is_agent_variable(name)) {
            json_add_node(w, NULL, n);
        }
    }
    json_array_close(w);
}

/* edgeAgent compares the first two with its deployment; without them it would never pick up the
 * options and the environment that it has there. */
static void write_labels(struct json_writer *w, const struct cJSON *given,
                         const char *fingerprint) {
    json_object_open(w, "Labels");
    for (const struct cJSON *n = json_first(given); n != NULL; n = json_next(n)) {
        const char *name = json_name(n);
        if (strcmp(name, CREATE_LABEL) != 0 && strcmp(name, ENV_LABEL) != 0 &&
            strcmp(name, AGENT_SPEC_LABEL) != 0) {
            json_add_node(w, name, n);
        }
    }
    json_add_cstr(w, CREATE_LABEL, "{}");
    json_add_cstr(w, ENV_LABEL, "{}");
    json_add_cstr(w, AGENT_SPEC_LABEL, fingerprint);
    json_object_close(w);
}

/* Whether SOURCE:TARGET or SOURCE:TARGET:OPTIONS stands there for this target. */
static bool is_bound(const struct cJSON *binds, const char *target) {
    for (const struct cJSON *n = json_first(binds); n != NULL; n = json_next(n)) {
        struct slice source;
        struct slice rest;
        if (slice_cut(json_str(n), ':', &source, &rest)) {
            (void)slice_cut(rest, ':', &rest, &source);
            if (slice_eq_str(rest, target)) {
                return true;
            }
        }
    }
    return false;
}

static bool is_mounted(const struct cJSON *mounts, const char *target) {
    for (const struct cJSON *n = json_first(mounts); n != NULL; n = json_next(n)) {
        if (slice_eq_str(json_str(find(n, "Target")), target)) {
            return true;
        }
    }
    return false;
}

static void add_bind(struct json_writer *w, const struct cJSON *host, const char *source,
                     const char *target) {
    char text[2 * PATH_LEN];
    if (!is_bound(find(host, "Binds"), target) && !is_mounted(find(host, "Mounts"), target)) {
        (void)snprintf(text, sizeof(text), "%s:%s", source, target);
        json_add_cstr(w, NULL, text);
    }
}

static void write_host(struct json_writer *w, const struct edge_config *cfg,
                       const struct cJSON *given) {
    const struct cJSON *binds = find(given, "Binds");
    char workload[PATH_LEN];
    (void)snprintf(workload, sizeof(workload), "%s/" AGENT_SOCKET, cfg->homedir);
    json_object_open(w, "HostConfig");
    copy_members_but(w, given, "Binds");
    json_array_open(w, "Binds");
    for (const struct cJSON *n = json_first(binds); n != NULL; n = json_next(n)) {
        json_add_node(w, NULL, n);
    }
    add_bind(w, given, cfg->connect_management.path, cfg->connect_management.path);
    add_bind(w, given, workload, cfg->connect_workload.path);
    json_array_close(w);
    json_object_close(w);
}

/* An engine may refuse two networks at creation, and any beside that of the host or of another
 * container. */
static bool names_network(const struct cJSON *host, const struct cJSON *endpoints) {
    struct slice mode = json_str(find(host, "NetworkMode"));
    return json_first(endpoints) != NULL || (mode.len > 0 && !slice_eq_str(mode, "default"));
}

static void write_network(struct json_writer *w, const struct edge_config *cfg,
                          const struct cJSON *given, const struct cJSON *host) {
    const struct cJSON *endpoints = find(given, "EndpointsConfig");
    json_object_open(w, "NetworkingConfig");
    copy_members_but(w, given, "EndpointsConfig");
    json_object_open(w, "EndpointsConfig");
    for (const struct cJSON *n = json_first(endpoints); n != NULL; n = json_next(n)) {
        json_add_node(w, json_name(n), n);
    }
    if (!names_network(host, endpoints)) {
        json_object_open(w, cfg->network.name);
        json_object_close(w);
    }
    json_object_close(w);
    json_object_close(w);
}

static bool is_ours(const struct cJSON *member) {
    static const char *const names[] = {"Env", "Labels", "HostConfig", "NetworkingConfig"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(names); i++) {
        if (json_name_is(member, names[i])) {
            return true;
        }
    }
    return false;
}

static void write_options(struct json_writer *w, const struct edge_config *cfg,
                          const struct parts *p, const char *fingerprint) {
    const struct cJSON *host = find(p->options, "HostConfig");
    json_object_open(w, "createOptions");
    for (const struct cJSON *n = json_first(p->options); n != NULL; n = json_next(n)) {
        if (!is_ours(n)) {
            json_add_node(w, json_name(n), n);
        }
    }
    write_option_env(w, find(p->options, "Env"));
    write_labels(w, find(p->options, "Labels"), fingerprint);
    write_host(w, cfg, host);
    write_network(w, cfg, find(p->options, "NetworkingConfig"), host);
    json_object_close(w);
}

/* --- Fingerprint --- */

static enum edge_code make_fingerprint(const struct edge_config *cfg,
                                       const struct agent_identity *id, const struct parts *p,
                                       char ret[SHA256_HEX], struct edge_error *err) {
    char hub[256];
    char hostname[256];
    struct json_writer w;
    struct buf text EDGE_CLEANUP(buf_clear) = {0};
    buf_init_sensitive(&text, TEXT_MAX);
    lower(id->hub, hub, sizeof(hub));
    lower(cfg->hostname, hostname, sizeof(hostname));
    json_begin(&w, &text);
    json_object_open(&w, NULL);
    json_add_i64(&w, "version", SPEC_VERSION);
    json_add_cstr(&w, "hub", hub);
    json_add_cstr(&w, "device", id->device_id);
    json_add_cstr(&w, "generation", id->generation_id);
    json_add_cstr(&w, "hostname", hostname);
    json_add_cstr(&w, "management", cfg->connect_management.text);
    json_add_cstr(&w, "workload", cfg->connect_workload.text);
    json_add_cstr(&w, "homedir", cfg->homedir);
    json_add_cstr(&w, "network", cfg->network.name);
    json_add_cstr(&w, "image", cfg->agent.image);
    canonical_json_add(&w, "env", p->env);
    canonical_json_add(&w, "options", p->options);
    json_object_close(&w);
    enum edge_code code = json_end(&w, err);
    return code == EDGE_OK ? sha256_hex(buf_slice(&text), ret, err) : code;
}

/* --- Whole --- */

static enum edge_code write_request(const struct edge_config *cfg, const struct agent_identity *id,
                                    const struct parts *p, const char *fingerprint, struct buf *out,
                                    struct edge_error *err) {
    struct json_writer w;
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "name", AGENT_NAME);
    json_add_cstr(&w, "type", "docker");
    json_object_open(&w, "config");
    write_env(&w, cfg, id, p);
    json_object_open(&w, "settings");
    json_add_cstr(&w, "image", cfg->agent.image);
    write_options(&w, cfg, p, fingerprint);
    json_object_close(&w);
    json_object_close(&w);
    json_object_close(&w);
    return json_end(&w, err);
}

static enum edge_code build(const struct edge_config *cfg, const struct agent_identity *id,
                            const struct parts *p, struct agent_spec *s, struct edge_error *err) {
    struct buf request EDGE_CLEANUP(buf_clear) = {0};
    struct module_spec m;
    buf_init_sensitive(&request, TEXT_MAX);
    enum edge_code code = make_fingerprint(cfg, id, p, s->fingerprint, err);
    if (code == EDGE_OK) {
        code = write_request(cfg, id, p, s->fingerprint, &request, err);
    }
    if (code == EDGE_OK) {
        /* edgeAgent has the rights that it is given here whatever modules are allowed. */
        code = module_spec_parse(buf_slice(&request), true, &m, err);
    }
    if (code != EDGE_OK) {
        return code;
    }
    memcpy(s->image, m.image, sizeof(s->image));
    s->create_body = m.create_body;
    m.create_body = (struct buf){0};
    module_spec_clear(&m);
    s->pull = cfg->agent.pull;
    s->auth_json = secret_slice(&cfg->agent.auth);
    return EDGE_OK;
}

enum edge_code agent_spec_build(const struct edge_config *cfg, const struct agent_identity *id,
                                struct agent_spec *ret, struct edge_error *err) {
    struct parts p EDGE_CLEANUP(parts_clear) = {0};
    struct agent_spec s = {0};
    enum edge_code code = parts_read(cfg, &p, err);
    if (code == EDGE_OK) {
        code = build(cfg, id, &p, &s, err);
    }
    if (code != EDGE_OK) {
        return edge_wrap(err, code, "making edgeAgent of the section agent of %s", cfg->file);
    }
    *ret = s;
    return EDGE_OK;
}

void agent_spec_clear(struct agent_spec *spec) {
    buf_clear(&spec->create_body);
    *spec = (struct agent_spec){0};
}
