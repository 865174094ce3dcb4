/* SPDX-License-Identifier: MIT */
/*
 * The engine is written in Go, whose JSON decoder takes a member of any case, and of two the last:
 * what is replaced or taken away here must be recognised in the same way.
 */
#include "runtime/module_spec.h"

#include "base/json.h"
#include "runtime/module_env.h"

#include <stdio.h>
#include <string.h>

/* Members of an object that are not passed on as they are. */
enum part {
    PART_IMAGE,
    PART_ENV,
    PART_LABELS,
    PART_HOST_CONFIG,
    PART_CNT_,
};

static const char *const part_names[] = {
    [PART_IMAGE] = "Image",
    [PART_ENV] = "Env",
    [PART_LABELS] = "Labels",
    [PART_HOST_CONFIG] = "HostConfig",
};

struct options {
    const struct cJSON *root; /* createOptions, or NULL */
    const struct cJSON *parts[PART_CNT_];
};

/* --- What is asked for --- */

static const struct cJSON *member(const struct cJSON *object, const char *name) {
    const struct cJSON *found = NULL;
    for (const struct cJSON *n = json_first(object); n != NULL; n = json_next(n)) {
        if (strcmp(json_name(n), name) == 0) {
            found = n;
        }
    }
    return found;
}

static enum edge_code read_name(const struct cJSON *root, struct module_spec *s,
                                struct edge_error *err) {
    struct slice name;
    struct slice type;
    enum edge_code code = json_get_str(root, "name", &name, err);
    if (code == EDGE_OK) {
        code = json_get_str(root, "type", &type, err);
    }
    if (code != EDGE_OK) {
        return code;
    }
    if (!runtime_is_module_name(name) || !slice_to_array(name, s->name, sizeof(s->name))) {
        return edge_set(err, EDGE_INVALID,
                        "name: letters, digits, '_', '.' and '-' only, at most %d, and not "
                        "'" RUNTIME_NEXT_SUFFIX "' at the end",
                        RUNTIME_MODULE_MAX);
    }
    if (!slice_eq_str(type, "docker")) {
        return edge_set(err, EDGE_INVALID, "type: only 'docker' is there");
    }
    return EDGE_OK;
}

static enum edge_code read_policy(const struct cJSON *root, struct module_spec *s,
                                  struct edge_error *err) {
    struct slice policy;
    enum edge_code code = json_get_str(root, "imagePullPolicy", &policy, err);
    s->pull = true;
    if (code == EDGE_NOT_FOUND) {
        return EDGE_OK;
    }
    if (code != EDGE_OK) {
        return code;
    }
    s->pull = !slice_eq_nocase(policy, "never");
    if (s->pull && !slice_eq_nocase(policy, "on-create")) {
        return edge_set(err, EDGE_INVALID, "imagePullPolicy: either On-Create or Never");
    }
    return EDGE_OK;
}

static enum edge_code read_image(const struct cJSON *settings, struct module_spec *s,
                                 struct edge_error *err) {
    struct slice image;
    struct slice hash;
    enum edge_code code = json_get_str(settings, "image", &image, err);
    if (code == EDGE_OK) {
        code = json_get_opt_str(settings, "imageHash", &hash, err);
    }
    if (code == EDGE_OK &&
        (!runtime_is_image(image) || !slice_to_array(image, s->image, sizeof(s->image)))) {
        code = edge_set(err, EDGE_INVALID, "config.settings.image is not the name of an image");
    }
    return code;
}

static enum edge_code read_auth(const struct cJSON *settings, struct module_spec *s,
                                struct edge_error *err) {
    static const char *const members[] = {"username", "password", "email", "serveraddress"};
    const struct cJSON *auth;
    struct json_writer w;
    struct slice text;

    enum edge_code code = json_get_object(settings, "auth", &auth, err);
    if (code == EDGE_NOT_FOUND) {
        return EDGE_OK;
    }
    for (size_t i = 0; i < EDGE_ARRAY_LEN(members) && code == EDGE_OK; i++) {
        code = json_get_opt_str(auth, members[i], &text, err);
    }
    if (code != EDGE_OK || json_first(auth) == NULL) {
        return code;
    }
    json_begin(&w, &s->auth);
    json_add_node(&w, NULL, auth);
    return json_end(&w, err);
}

/* null is as good as nothing for these, for the engine as well. */
static enum edge_code check_part(const struct options *o, enum part part, struct edge_error *err) {
    const struct cJSON *unused;
    const struct cJSON *node = o->parts[part];
    if (node == NULL || part == PART_IMAGE) {
        return EDGE_OK;
    }
    enum edge_code code = part == PART_ENV
                              ? json_get_array(o->root, json_name(node), &unused, err)
                              : json_get_object(o->root, json_name(node), &unused, err);
    return code == EDGE_NOT_FOUND ? EDGE_OK : code;
}

static enum edge_code read_options(const struct cJSON *settings, struct options *o,
                                   struct edge_error *err) {
    o->root = member(settings, "createOptions");
    if (o->root != NULL && !json_is_object(o->root)) {
        return edge_set(err, EDGE_PARSE, "config.settings.createOptions is not an object");
    }
    for (const struct cJSON *n = json_first(o->root); n != NULL; n = json_next(n)) {
        for (size_t i = 0; i < PART_CNT_; i++) {
            if (!json_name_is(n, part_names[i])) {
                continue;
            }
            if (o->parts[i] != NULL) {
                return edge_set(err, EDGE_INVALID, "createOptions.%s is given twice",
                                part_names[i]);
            }
            o->parts[i] = n;
        }
    }
    for (size_t i = 0; i < PART_CNT_; i++) {
        enum edge_code code = check_part(o, (enum part)i, err);
        if (code != EDGE_OK) {
            return code;
        }
    }
    return EDGE_OK;
}

/* --- The engine's create call --- */

static bool is_part(const struct options *o, const struct cJSON *node) {
    for (size_t i = 0; i < PART_CNT_; i++) {
        if (o->parts[i] == node) {
            return true;
        }
    }
    return false;
}

static void write_labels(struct json_writer *w, const struct cJSON *given, const char *image) {
    json_object_open(w, "Labels");
    for (const struct cJSON *n = json_first(given); n != NULL; n = json_next(n)) {
        if (strcmp(json_name(n), RUNTIME_OWNER_LABEL) != 0 &&
            strcmp(json_name(n), RUNTIME_IMAGE_LABEL) != 0) {
            json_add_node(w, json_name(n), n);
        }
    }
    json_add_cstr(w, RUNTIME_OWNER_LABEL, RUNTIME_OWNER_VALUE);
    json_add_cstr(w, RUNTIME_IMAGE_LABEL, image);
    json_object_close(w);
}

static void write_narrowed(struct json_writer *w, const struct cJSON *given) {
    json_object_open(w, "HostConfig");
    for (const struct cJSON *n = json_first(given); n != NULL; n = json_next(n)) {
        const char *name = json_name(n);
        if (!json_name_is(n, "Privileged") && !json_name_is(n, "CapAdd") &&
            !json_name_is(n, "CapDrop")) {
            json_add_node(w, name, n);
        }
    }
    json_array_open(w, "CapDrop");
    for (const struct cJSON *n = json_first(given); n != NULL; n = json_next(n)) {
        if (json_name_is(n, "CapDrop")) {
            if (json_is_str(n)) { /* the engine takes one as well as many */
                json_add_node(w, NULL, n);
            }
            for (const struct cJSON *c = json_first(n); c != NULL; c = json_next(c)) {
                json_add_node(w, NULL, c);
            }
        }
    }
    json_add_cstr(w, NULL, "CAP_CHOWN");
    json_add_cstr(w, NULL, "CAP_SETUID");
    json_array_close(w);
    json_object_close(w);
}

static enum edge_code write_create(struct module_spec *s, const struct options *o,
                                   const struct module_env *env, bool allow_elevated,
                                   struct edge_error *err) {
    const struct cJSON *host = o->parts[PART_HOST_CONFIG];
    struct json_writer w;

    json_begin(&w, &s->create_body);
    json_object_open(&w, NULL);
    for (const struct cJSON *n = json_first(o->root); n != NULL; n = json_next(n)) {
        if (!is_part(o, n)) {
            json_add_node(&w, json_name(n), n);
        }
    }
    json_add_cstr(&w, "Image", s->image);
    enum edge_code code = module_env_write(env, &w, err);
    write_labels(&w, o->parts[PART_LABELS], s->image);
    if (!allow_elevated) {
        write_narrowed(&w, host);
    } else if (host != NULL) {
        json_add_node(&w, "HostConfig", host);
    }
    json_object_close(&w);
    return code != EDGE_OK ? code : json_end(&w, err);
}

static enum edge_code merge_env(const struct cJSON *config, const struct options *o,
                                struct module_env *env, struct edge_error *err) {
    const struct cJSON *pairs;
    enum edge_code code = module_env_init(env, err);
    if (code == EDGE_OK) {
        code = json_get_array(config, "env", &pairs, err);
        if (code == EDGE_OK) {
            code = module_env_add_pairs(env, pairs, err);
        } else if (code == EDGE_NOT_FOUND) {
            code = EDGE_OK;
        }
    }
    if (code == EDGE_OK) {
        code = module_env_add_texts(env, o->parts[PART_ENV], err);
    }
    return code;
}

/* --- The answer --- */

/* Registry passwords are nobody's business afterwards, and no client reads them. */
static enum edge_code write_config(struct module_spec *s, const struct cJSON *config,
                                   const struct cJSON *settings, struct edge_error *err) {
    const struct cJSON *env = member(config, "env");
    struct json_writer w;

    json_begin(&w, &s->config);
    json_object_open(&w, NULL);
    json_object_open(&w, "settings");
    for (const struct cJSON *n = json_first(settings); n != NULL; n = json_next(n)) {
        if (!json_name_is(n, "auth")) {
            json_add_node(&w, json_name(n), n);
        }
    }
    json_object_close(&w);
    if (json_is_array(env)) {
        json_add_node(&w, "env", env);
    }
    json_object_close(&w);
    return json_end(&w, err);
}

enum edge_code module_spec_details(const struct module_spec *spec, bool running, struct buf *out,
                                   struct edge_error *err) {
    enum edge_code code = buf_printf(
        out, err, "{\"id\":\"%s\",\"name\":\"%s\",\"type\":\"docker\",\"config\":", spec->name,
        spec->name);
    if (code == EDGE_OK) {
        code = buf_append_slice(out, buf_slice(&spec->config), err);
    }
    if (code == EDGE_OK) {
        code = buf_printf(out, err, ",\"status\":{\"runtimeStatus\":{\"status\":\"%s\"}}}",
                          running ? "running" : "stopped");
    }
    return code;
}

/* --- Whole --- */

static enum edge_code translate(const struct cJSON *config, const struct cJSON *settings,
                                bool allow_elevated, struct module_spec *s,
                                struct edge_error *err) {
    struct options o = {0};
    struct module_env env = {0};
    enum edge_code code = read_options(settings, &o, err);
    if (code == EDGE_OK) {
        code = merge_env(config, &o, &env, err);
    }
    if (code == EDGE_OK) {
        code = write_create(s, &o, &env, allow_elevated, err);
    }
    module_env_clear(&env);
    return code;
}

static enum edge_code read_all(const struct cJSON *root, bool allow_elevated, struct module_spec *s,
                               struct edge_error *err) {
    const struct cJSON *config = NULL;
    const struct cJSON *settings = NULL;
    enum edge_code code = read_name(root, s, err);
    if (code == EDGE_OK) {
        code = read_policy(root, s, err);
    }
    if (code == EDGE_OK) {
        code = json_get_object(root, "config", &config, err);
    }
    if (code == EDGE_OK) {
        code = json_get_object(config, "settings", &settings, err);
    }
    if (code == EDGE_OK) {
        code = read_image(settings, s, err);
    }
    if (code == EDGE_OK) {
        code = read_auth(settings, s, err);
    }
    if (code == EDGE_OK) {
        code = translate(config, settings, allow_elevated, s, err);
    }
    return code != EDGE_OK ? code : write_config(s, config, settings, err);
}

enum edge_code module_spec_parse(struct slice json, bool allow_elevated, struct module_spec *ret,
                                 struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup_sensitive) = NULL;
    struct module_spec s = {0};

    buf_init_sensitive(&s.auth, RUNTIME_AUTH_MAX);
    buf_init_sensitive(&s.create_body, RUNTIME_BODY_MAX);
    buf_init_sensitive(&s.config, RUNTIME_BODY_MAX);
    enum edge_code code = json_parse_within(json, MODULE_SPEC_NODES_MAX, &root, err);
    if (code == EDGE_OK && !json_is_object(root)) {
        code = edge_set(err, EDGE_PARSE, "not a JSON object");
    }
    if (code == EDGE_OK) {
        code = read_all(root, allow_elevated, &s, err);
    }
    if (code != EDGE_OK) {
        module_spec_clear(&s);
        return code;
    }
    *ret = s;
    return EDGE_OK;
}

void module_spec_clear(struct module_spec *spec) {
    buf_clear(&spec->auth);
    buf_clear(&spec->create_body);
    buf_clear(&spec->config);
}
