/* SPDX-License-Identifier: MIT */
/*
 * Message mapping for the list of modules: the Engine's words for states, times and images become
 * those of the management API.
 */
#include "runtime/docker_modules_json.h"

#include "base/clock.h"
#include "base/json.h"
#include "runtime/docker_json.h"

#include <stdlib.h>
#include <string.h>

#define FRACTION_AT  19 /* offset behind the seconds */
#define FRACTION_MAX 9  /* digits */

/* Times come with any offset and leave in UTC: edgeAgent takes the reading and drops the offset.
 * Year 1 stands for "never". */
static void take_time(struct slice text, char ret[RUNTIME_TIME_LEN + 1]) {
    char base[CLOCK_RFC3339_LEN];
    int64_t wall_s = 0;
    size_t digits = 0;

    ret[0] = '\0';
    if (!clock_parse_rfc3339(text, &wall_s) || wall_s <= 0) {
        return;
    }
    clock_format_rfc3339(wall_s, base);
    memcpy(ret, base, FRACTION_AT);
    size_t len = FRACTION_AT;
    if (text.len > FRACTION_AT && text.ptr[FRACTION_AT] == '.') {
        while (digits < FRACTION_MAX && text.ptr[FRACTION_AT + 1 + digits] >= '0' &&
               text.ptr[FRACTION_AT + 1 + digits] <= '9') {
            digits++;
        }
        memcpy(ret + len, text.ptr + FRACTION_AT, digits + 1);
        len += digits + 1;
    }
    ret[len] = 'Z';
    ret[len + 1] = '\0';
}

static enum runtime_status status_of(struct slice state, bool has_exit_code, int64_t exit_code) {
    static const struct {
        const char *state;
        enum runtime_status status;
    } table[] = {
        {"running", RUNTIME_STATUS_RUNNING},
        {"created", RUNTIME_STATUS_STOPPED},
        {"paused", RUNTIME_STATUS_STOPPED},
        {"restarting", RUNTIME_STATUS_STOPPED},
        {"dead", RUNTIME_STATUS_DEAD},
        {"configured", RUNTIME_STATUS_STOPPED},  /* Podman */
        {"initialized", RUNTIME_STATUS_STOPPED}, /* Podman */
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(table); i++) {
        if (slice_eq_str(state, table[i].state)) {
            return table[i].status;
        }
    }
    if (slice_eq_str(state, "exited") || slice_eq_str(state, "removing") ||
        slice_eq_str(state, "stopped") /* Podman */) {
        if (!has_exit_code) {
            return RUNTIME_STATUS_UNKNOWN;
        }
        return exit_code == 0 ? RUNTIME_STATUS_STOPPED : RUNTIME_STATUS_FAILED;
    }
    return RUNTIME_STATUS_UNKNOWN;
}

/* "" for one that is absent or beyond reason. */
static void take_word(const struct cJSON *node, const char *name, char ret[RUNTIME_STATE_MAX + 1]) {
    struct slice word = {0};
    (void)!json_get_opt_str(node, name, &word, NULL);
    if (!slice_to_array(word, ret, RUNTIME_STATE_MAX + 1)) {
        ret[0] = '\0';
    }
}

/* edgeAgent refuses the whole list for one entry without an image. */
static void take_images(const struct cJSON *node, struct runtime_module *m) {
    struct slice image = {0}, image_id = {0};
    (void)!json_get_opt_str(node, "Image", &image, NULL);
    (void)!json_get_opt_str(node, "ImageID", &image_id, NULL);
    if (!slice_to_array(image_id, m->image_id, sizeof(m->image_id))) {
        m->image_id[0] = '\0';
    }
    if (image.len == 0 || !slice_to_array(image, m->image, sizeof(m->image))) {
        memcpy(m->image, m->image_id, sizeof(m->image));
    }
}

static enum edge_code read_modules(const struct cJSON *root, struct runtime_module *list,
                                   size_t *ret_cnt, struct edge_error *err) {
    enum edge_code code = EDGE_OK;
    size_t cnt = 0;

    for (const struct cJSON *n = json_first(root); n != NULL && code == EDGE_OK; n = json_next(n)) {
        struct runtime_container c;
        bool named = false;
        code = docker_json_entry(n, &c, &named, err);
        /* The filter is the Engine's; what counts is what we read ourselves. */
        if (code != EDGE_OK || !named || !c.owned || !runtime_is_module_name(slice_str(c.name))) {
            continue;
        }
        struct runtime_module *m = &list[cnt++];
        memcpy(m->id, c.id, sizeof(m->id));
        memcpy(m->name, c.name, sizeof(m->name));
        take_images(n, m);
        take_word(n, "State", m->state);
        (void)!json_get_object(n, "Labels", &m->labels, NULL);
    }
    *ret_cnt = cnt;
    return code;
}

enum edge_code docker_modules_json_list(struct slice text, struct cJSON **ret_root,
                                        struct runtime_module **ret_list, size_t *ret_cnt,
                                        struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct runtime_module *list EDGE_CLEANUP(edge_cleanup_free) = NULL;
    size_t cnt = 0;

    enum edge_code code = docker_json_entries(text, &root, &cnt, err);
    if (code != EDGE_OK) {
        return code;
    }
    list = calloc(cnt + 1, sizeof(*list));
    if (list == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a list of modules");
    }
    code = read_modules(root, list, &cnt, err);
    if (code != EDGE_OK) {
        return code;
    }
    *ret_root = TAKE_PTR(root);
    *ret_list = TAKE_PTR(list);
    *ret_cnt = cnt;
    return EDGE_OK;
}

static enum edge_code read_state(const struct cJSON *root, struct runtime_module *m,
                                 struct edge_error *err) {
    const struct cJSON *state = NULL;
    struct slice word = {0}, started = {0}, finished = {0};

    if (json_get_object(root, "State", &state, NULL) != EDGE_OK ||
        json_get_opt_str(state, "Status", &word, NULL) != EDGE_OK ||
        json_get_opt_str(state, "StartedAt", &started, NULL) != EDGE_OK ||
        json_get_opt_str(state, "FinishedAt", &finished, NULL) != EDGE_OK) {
        return docker_json_bad(err, "State");
    }
    enum edge_code code = json_get_i64(state, "ExitCode", &m->exit_code, NULL);
    if (docker_json_opt(code) != EDGE_OK) {
        return docker_json_bad(err, "State.ExitCode");
    }
    m->has_exit_code = code == EDGE_OK;
    m->status = status_of(word, m->has_exit_code, m->exit_code);
    take_word(state, "Status", m->state);
    take_time(started, m->started);
    take_time(finished, m->finished);
    return EDGE_OK;
}

/* What only an inspection tells, and what it tells better. */
static enum edge_code take_detail(const struct cJSON *root, struct runtime_module *m,
                                  struct edge_error *err) {
    const struct cJSON *config = NULL;
    struct slice image = {0};

    if (docker_json_opt(json_get_object(root, "Config", &config, NULL)) != EDGE_OK ||
        (config != NULL && json_get_opt_str(config, "Image", &image, NULL) != EDGE_OK)) {
        return docker_json_bad(err, "Config");
    }
    /* The list tells an image whose name has moved on by its id; what edgeAgent compares with its
     * deployment is the name that it gave. */
    if (image.len > 0 && image.len <= RUNTIME_IMAGE_MAX) {
        (void)!slice_to_array(image, m->image, sizeof(m->image));
    }
    if (m->labels != NULL &&
        json_get_opt_str(m->labels, RUNTIME_IMAGE_LABEL, &image, NULL) == EDGE_OK &&
        runtime_is_image(image)) {
        (void)!slice_to_array(image, m->image, sizeof(m->image));
    }
    return read_state(root, m, err);
}

enum edge_code docker_modules_json_detail(struct slice text, struct runtime_module *m,
                                          struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct slice id = {0};
    struct runtime_module own = *m;

    enum edge_code code = docker_json_object(text, &root, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (json_get_str(root, "Id", &id, NULL) != EDGE_OK || !slice_eq_str(id, m->id)) {
        return docker_json_bad(err, "Id");
    }
    code = take_detail(root, &own, err);
    if (code == EDGE_OK) {
        *m = own;
    }
    return code;
}

enum edge_code docker_modules_json_one(struct slice text, struct cJSON **ret_root,
                                       struct runtime_module *ret, struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct runtime_module m = {0};
    struct runtime_container c = {0};
    const struct cJSON *config = NULL;
    struct slice image_id = {0};

    enum edge_code code = docker_json_object(text, &root, err);
    if (code == EDGE_OK) {
        code = docker_json_inspected(root, &c, err);
    }
    if (code != EDGE_OK) {
        return code;
    }
    if (!c.owned || !runtime_is_module_name(slice_str(c.name))) {
        return edge_set(err, EDGE_NOT_FOUND, "the container is not a module");
    }
    memcpy(m.id, c.id, sizeof(m.id));
    memcpy(m.name, c.name, sizeof(m.name));
    if (json_get_opt_str(root, "Image", &image_id, NULL) == EDGE_OK) {
        (void)!slice_to_array(image_id, m.image_id, sizeof(m.image_id));
        (void)!slice_to_array(image_id, m.image, sizeof(m.image));
    }
    if (json_get_object(root, "Config", &config, NULL) != EDGE_OK ||
        docker_json_opt(json_get_object(config, "Labels", &m.labels, NULL)) != EDGE_OK ||
        docker_json_opt(json_get_array(config, "Env", &m.env, NULL)) != EDGE_OK) {
        return docker_json_bad(err, "Config");
    }
    if (docker_json_opt(json_get_array(root, "Mounts", &m.mounts, NULL)) != EDGE_OK) {
        return docker_json_bad(err, "Mounts");
    }
    code = take_detail(root, &m, err);
    if (code == EDGE_OK) {
        *ret_root = TAKE_PTR(root);
        *ret = m;
    }
    return code;
}
