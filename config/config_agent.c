/* SPDX-License-Identifier: MIT */
/*
 * The sections about edgeAgent. createOptions belong to the engine; looked into are only those
 * members that the daemon adds to, by the names that the engine takes for them.
 */
#include "config/config_json.h"
#include "config/config_take.h"
#include "config/config_value.h"

#include "base/json.h"

#include <stdlib.h>

#define SETTINGS "agent.config."
#define OPTIONS  SETTINGS "createOptions"
#define AUTH     SETTINGS "auth."

#define PATH_LEN sizeof(((struct config_problem *)NULL)->key)

bool config_is_agent_variable(struct slice name) {
    static const char *const names[] = {
        "IOTEDGE_IOTHUBHOSTNAME",
        "EdgeDeviceHostName",
        "IOTEDGE_DEVICEID",
        "IOTEDGE_MODULEID",
        "IOTEDGE_MODULEGENERATIONID",
        "IOTEDGE_WORKLOADURI",
        "IOTEDGE_WORKLOADLISTEN_MNTURI",
        "IOTEDGE_MANAGEMENTURI",
        "IOTEDGE_AUTHSCHEME",
        "IOTEDGE_APIVERSION",
        "Mode",
        "NetworkId",
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(names); i++) {
        if (slice_eq_nocase(name, names[i])) {
            return true;
        }
    }
    return false;
}

/* --- Environment --- */

static void warn_overruled(struct config_doc *doc, const char *path) {
    config_doc_problem(doc, CONFIG_WARNING, path,
                       "ignored: the daemon sets this variable of edgeAgent itself");
}

static void take_env(struct config_doc *doc, struct buf *out) {
    const char *path = "agent.env";
    const struct config_node *map = config_doc_get(doc, path);
    struct edge_error err;
    struct json_writer w;
    json_begin(&w, out);
    json_object_open(&w, NULL);
    for (const struct config_node *n = map != NULL ? map->first : NULL; n != NULL; n = n->next) {
        char shown[PATH_LEN];
        config_report_path(shown, sizeof(shown), path, n->key);
        if (n->key.len == 0 || slice_find(n->key, '=') >= 0 || !slice_is_utf8_text(n->key)) {
            config_report_add(doc->report, CONFIG_ERROR, n->key_line, n->key_column, shown,
                              "no environment variable can have this name");
        } else if (config_is_agent_variable(n->key)) {
            warn_overruled(doc, shown);
        } else {
            struct slice value = n->kind == CONFIG_STRING ? n->text : slice_make(NULL, 0);
            json_add_str(&w, n->key.ptr, value);
        }
    }
    json_object_close(&w);
    config_take_result(doc, path, json_end(&w, &err), &err);
}

/* --- createOptions --- */

enum shape {
    SHAPE_OBJECT,
    SHAPE_TEXTS,    /* list of strings */
    SHAPE_TEXT_MAP, /* object of strings */
};

static bool all_texts(const struct cJSON *node) {
    for (const struct cJSON *n = json_first(node); n != NULL; n = json_next(n)) {
        if (!json_is_str(n)) {
            return false;
        }
    }
    return true;
}

static bool has_shape(const struct cJSON *node, enum shape shape) {
    bool outer = shape == SHAPE_TEXTS ? json_is_array(node) : json_is_object(node);
    return outer && (shape == SHAPE_OBJECT || all_texts(node));
}

/* The member that the engine takes for `name`, or NULL; anything else than one of that shape is
 * reported. *ret_path gets its path as written. */
static const struct cJSON *part(struct config_doc *doc, const struct cJSON *object, const char *at,
                                const char *name, enum shape shape, char ret_path[PATH_LEN]) {
    static const char *const wanted[] = {"a mapping", "a list of strings", "a mapping of strings"};
    const struct cJSON *found = NULL;
    for (const struct cJSON *n = json_first(object); n != NULL; n = json_next(n)) {
        if (!json_name_is(n, name)) {
            continue;
        }
        config_report_path(ret_path, PATH_LEN, at, slice_str(json_name(n)));
        if (found != NULL) {
            config_doc_problem(doc, CONFIG_ERROR, ret_path,
                               "is given twice: for the engine it is the same as %s",
                               json_name(found));
            return NULL;
        }
        found = n;
    }
    if (found == NULL || json_is_null(found)) {
        return NULL;
    }
    if (!has_shape(found, shape)) {
        config_doc_problem(doc, CONFIG_ERROR, ret_path, "must be %s", wanted[shape]);
        return NULL;
    }
    return found;
}

static void check_option_env(struct config_doc *doc, const struct cJSON *env, const char *path) {
    for (const struct cJSON *n = json_first(env); n != NULL; n = json_next(n)) {
        struct slice name = json_str(n);
        struct slice value;
        (void)slice_cut(name, '=', &name, &value);
        if (name.len == 0) {
            config_doc_problem(doc, CONFIG_ERROR, path, "holds a variable without a name");
        } else if (config_is_agent_variable(name)) {
            config_doc_problem(doc, CONFIG_WARNING, path,
                               "ignored as to %.*s: the daemon sets this variable of edgeAgent "
                               "itself",
                               SLICE_ARG(name));
        }
    }
}

static void check_options(struct config_doc *doc, const struct cJSON *root) {
    char path[PATH_LEN];
    char inner[PATH_LEN];
    const struct cJSON *env = part(doc, root, OPTIONS, "Env", SHAPE_TEXTS, path);
    check_option_env(doc, env, path);
    (void)part(doc, root, OPTIONS, "Labels", SHAPE_TEXT_MAP, path);
    const struct cJSON *host = part(doc, root, OPTIONS, "HostConfig", SHAPE_OBJECT, path);
    (void)part(doc, host, path, "Binds", SHAPE_TEXTS, inner);
    const struct cJSON *network = part(doc, root, OPTIONS, "NetworkingConfig", SHAPE_OBJECT, path);
    (void)part(doc, network, path, "EndpointsConfig", SHAPE_OBJECT, inner);
}

static void take_options(struct config_doc *doc, struct buf *out) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup_sensitive) = NULL;
    config_json_object(doc, OPTIONS, config_doc_get(doc, OPTIONS), out);
    if (out->len == 0) {
        return;
    }
    if (json_parse_within(buf_slice(out), CONFIG_JSON_NODES_MAX, &root, NULL) != EDGE_OK) {
        doc->report->nomem = true; /* it has just been written */
        return;
    }
    check_options(doc, root);
}

/* --- Registry --- */

static bool is_given(struct slice value) {
    return value.len > 0;
}

/* Credentials that nobody uses are a doubt only. */
static void check_auth(struct config_doc *doc, bool pull) {
    bool user = is_given(config_doc_text(doc, AUTH "username"));
    bool password = is_given(config_doc_text(doc, AUTH "password"));
    if (user != password) {
        config_doc_problem(doc, pull ? CONFIG_ERROR : CONFIG_WARNING,
                           user ? AUTH "password" : AUTH "username",
                           "missing: a registry wants username and password; leave out both for "
                           "one that asks for none");
    }
}

static enum edge_code write_auth(const struct config_doc *doc, struct secret *ret,
                                 struct edge_error *err) {
    static const struct {
        const char *path, *name;
    } parts[] = {
        {AUTH "username", "username"},
        {AUTH "password", "password"},
        {AUTH "email", "email"},
        {AUTH "serveraddress", "serveraddress"},
    };
    struct buf text EDGE_CLEANUP(buf_clear) = {0};
    struct json_writer w;
    buf_init_sensitive(&text, CONFIG_AUTH_MAX);
    json_begin(&w, &text);
    json_object_open(&w, NULL);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(parts); i++) {
        struct slice value = config_doc_text(doc, parts[i].path);
        if (is_given(value)) {
            json_add_str(&w, parts[i].name, value);
        }
    }
    json_object_close(&w);
    enum edge_code code = json_end(&w, err);
    return code == EDGE_OK ? secret_copy(ret, text.data, text.len, err) : code;
}

static void take_auth(struct config_doc *doc, struct config_agent *agent) {
    struct edge_error err;
    check_auth(doc, agent->pull);
    if (is_given(config_doc_text(doc, AUTH "username"))) {
        config_take_result(doc, "agent.config.auth", write_auth(doc, &agent->auth, &err), &err);
    }
}

/* --- Whole --- */

static void check_kind(struct config_doc *doc) {
    if (!slice_eq_str(config_doc_text(doc, "agent.type"), "docker")) {
        config_doc_problem(doc, CONFIG_ERROR, "agent.type",
                           "must be 'docker': there are no modules of another kind");
    }
    if (!slice_eq_str(config_doc_text(doc, "agent.name"), "edgeAgent")) {
        config_doc_problem(doc, CONFIG_WARNING, "agent.name",
                           "ignored: the container is named edgeAgent in any case");
    }
}

void config_take_agent(struct config_doc *doc, struct config_agent *agent) {
    check_kind(doc);
    agent->pull = !slice_eq_str(config_doc_text(doc, "agent.imagePullPolicy"), "never");
    buf_init_sensitive(&agent->env, CONFIG_SIZE_MAX);
    buf_init_sensitive(&agent->create_options, CONFIG_SIZE_MAX);
    config_take_text(doc, SETTINGS "image", config_value_image, NULL, &agent->image);
    take_env(doc, &agent->env);
    take_options(doc, &agent->create_options);
    take_auth(doc, agent);
}

void config_agent_clear(struct config_agent *agent) {
    free(agent->image);
    buf_clear(&agent->env);
    buf_clear(&agent->create_options);
    secret_clear(&agent->auth);
}
