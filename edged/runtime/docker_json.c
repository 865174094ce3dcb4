/* SPDX-License-Identifier: MIT */
/*
 * Message mapping for the Engine API. Takes what it needs and nothing else, so that members that
 * come and go between Engine versions do not matter; what it takes must have the right type.
 */
#include "runtime/docker_json.h"

#include "base/clock.h"
#include "base/json.h"
#include "runtime/docker_text.h"

#include <stdlib.h>
#include <string.h>

enum edge_code docker_json_opt(enum edge_code code) {
    return code == EDGE_NOT_FOUND ? EDGE_OK : code;
}

enum edge_code docker_json_bad(struct edge_error *err, const char *what) {
    return edge_set(err, EDGE_PROTO, "the container engine's answer has no valid '%s'", what);
}

enum edge_code docker_json_object(struct slice text, struct cJSON **ret, struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    enum edge_code code = json_parse_with_nul(text, &root, err);
    if (code != EDGE_OK) {
        return edge_wrap(err, code, "reading the container engine's answer");
    }
    if (!json_is_object(root)) {
        return edge_set(err, EDGE_PROTO, "the container engine's answer is not an object");
    }
    *ret = TAKE_PTR(root);
    return EDGE_OK;
}

/* Text for people: cut at a character's boundary rather than refused. */
static void copy_text(struct slice s, char *dst, size_t dst_size) {
    size_t len = s.len < dst_size - 1 ? s.len : dst_size - 1;
    while (len > 0 && len < s.len && ((unsigned char)s.ptr[len] & 0xc0u) == 0x80u) {
        len--;
    }
    if (len > 0) {
        memcpy(dst, s.ptr, len);
    }
    dst[len] = '\0';
}

static bool copy_id(struct slice s, char dst[RUNTIME_ID_LEN + 1]) {
    return runtime_is_id(s) && slice_to_array(s, dst, RUNTIME_ID_LEN + 1);
}

/* "/name" to "name"; false for names of links ("/other/alias") and names that cannot be ours. */
static bool copy_name(struct slice s, char dst[RUNTIME_NAME_MAX + 1]) {
    if (s.len > 0 && s.ptr[0] == '/') {
        s = slice_make(s.ptr + 1, s.len - 1);
    }
    return runtime_is_name(s) && slice_to_array(s, dst, RUNTIME_NAME_MAX + 1);
}

static enum edge_code read_owned(const struct cJSON *holder, bool *ret, struct edge_error *err) {
    const struct cJSON *labels = NULL;
    struct slice value = {0};

    enum edge_code code = docker_json_opt(json_get_object(holder, "Labels", &labels, NULL));
    if (code != EDGE_OK) {
        return docker_json_bad(err, "Labels");
    }
    if (labels != NULL) {
        code = docker_json_opt(json_get_str(labels, RUNTIME_OWNER_LABEL, &value, NULL));
        if (code != EDGE_OK) {
            return docker_json_bad(err, "Labels");
        }
    }
    *ret = slice_eq_str(value, RUNTIME_OWNER_VALUE);
    return EDGE_OK;
}

static bool is_podman(const struct cJSON *root) {
    const struct cJSON *components = NULL;
    if (json_get_array(root, "Components", &components, NULL) != EDGE_OK) {
        return false;
    }
    for (const struct cJSON *c = json_first(components); c != NULL; c = json_next(c)) {
        struct slice name = {0};
        if (json_is_object(c) && json_get_str(c, "Name", &name, NULL) == EDGE_OK &&
            slice_starts_with(name, "Podman")) {
            return true;
        }
    }
    return false;
}

enum edge_code docker_json_version(struct slice text, struct docker_version *ret,
                                   struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct docker_version v = {0};
    struct slice api = {0}, min = {0};

    enum edge_code code = docker_json_object(text, &root, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (json_get_str(root, "ApiVersion", &api, NULL) != EDGE_OK || api.len == 0 ||
        !slice_to_array(api, v.api, sizeof(v.api))) {
        return docker_json_bad(err, "ApiVersion");
    }
    if (json_get_opt_str(root, "MinAPIVersion", &min, NULL) != EDGE_OK ||
        !slice_to_array(min, v.min, sizeof(v.min))) {
        return docker_json_bad(err, "MinAPIVersion");
    }
    v.podman = is_podman(root);
    *ret = v;
    return EDGE_OK;
}

enum edge_code docker_json_entry(const struct cJSON *node, struct runtime_container *ret,
                                 bool *ret_named, struct edge_error *err) {
    struct runtime_container c = {0};
    struct slice id = {0}, state = {0};
    const struct cJSON *names = NULL;

    if (!json_is_object(node) || json_get_str(node, "Id", &id, NULL) != EDGE_OK ||
        !copy_id(id, c.id)) {
        return docker_json_bad(err, "Id");
    }
    if (docker_json_opt(json_get_array(node, "Names", &names, NULL)) != EDGE_OK) {
        return docker_json_bad(err, "Names");
    }
    *ret_named = false;
    for (const struct cJSON *n = names != NULL ? json_first(names) : NULL; n != NULL;
         n = json_next(n)) {
        if (copy_name(json_str(n), c.name)) {
            *ret_named = true;
            break;
        }
    }
    if (json_get_opt_str(node, "State", &state, NULL) != EDGE_OK) {
        return docker_json_bad(err, "State");
    }
    c.running = slice_eq_str(state, "running");
    enum edge_code code = read_owned(node, &c.owned, err);
    if (code == EDGE_OK) {
        *ret = c;
    }
    return code;
}

size_t docker_json_count(const struct cJSON *array) {
    size_t cnt = 0;
    for (const struct cJSON *n = array != NULL ? json_first(array) : NULL; n != NULL;
         n = json_next(n)) {
        cnt++;
    }
    return cnt;
}

static enum edge_code read_entries(const struct cJSON *root, struct runtime_container *list,
                                   size_t *ret_cnt, struct edge_error *err) {
    enum edge_code code = EDGE_OK;
    size_t cnt = 0;

    for (const struct cJSON *n = json_first(root); n != NULL && code == EDGE_OK; n = json_next(n)) {
        bool named = false;
        code = docker_json_entry(n, &list[cnt], &named, err);
        cnt += named ? 1 : 0;
    }
    *ret_cnt = cnt;
    return code;
}

enum edge_code docker_json_entries(struct slice text, struct cJSON **ret, size_t *ret_cnt,
                                   struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;

    enum edge_code code = json_parse_with_nul(text, &root, err);
    if (code != EDGE_OK) {
        return edge_wrap(err, code, "reading the container engine's list");
    }
    if (!json_is_array(root)) {
        return edge_set(err, EDGE_PROTO, "the container engine's list is not an array");
    }
    size_t cnt = docker_json_count(root);
    if (cnt > RUNTIME_CONTAINERS_MAX) {
        return edge_set(err, EDGE_RANGE, "the container engine lists more than %d containers",
                        RUNTIME_CONTAINERS_MAX);
    }
    *ret = TAKE_PTR(root);
    *ret_cnt = cnt;
    return EDGE_OK;
}

enum edge_code docker_json_list(struct slice text, struct runtime_container **ret_list,
                                size_t *ret_cnt, struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    size_t cnt = 0;

    enum edge_code code = docker_json_entries(text, &root, &cnt, err);
    if (code != EDGE_OK) {
        return code;
    }
    struct runtime_container *list = calloc(cnt + 1, sizeof(*list));
    if (list == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a list of containers");
    }
    code = read_entries(root, list, &cnt, err);
    if (code != EDGE_OK) {
        free(list);
        return code;
    }
    *ret_list = list;
    *ret_cnt = cnt;
    return EDGE_OK;
}

static enum edge_code read_state(const struct cJSON *root, struct runtime_container *c,
                                 struct edge_error *err) {
    const struct cJSON *state = NULL;
    struct slice started = {0};
    int64_t pid = 0, wall_s = 0;

    if (json_get_object(root, "State", &state, NULL) != EDGE_OK ||
        docker_json_opt(json_get_bool(state, "Running", &c->running, NULL)) != EDGE_OK) {
        return docker_json_bad(err, "State");
    }
    if (docker_json_opt(json_get_i64(state, "Pid", &pid, NULL)) != EDGE_OK || pid < 0 ||
        pid > INT32_MAX) {
        return docker_json_bad(err, "State.Pid");
    }
    c->pid = c->running ? (pid_t)pid : 0;
    /* Year 1 stands for "never". */
    if (json_get_opt_str(state, "StartedAt", &started, NULL) == EDGE_OK &&
        clock_parse_rfc3339(started, &wall_s) && wall_s > 0) {
        c->started_wall_s = wall_s;
    }
    return EDGE_OK;
}

/* A negative one is "for ever". */
static enum edge_code read_stop_timeout(const struct cJSON *config, struct runtime_container *c,
                                        struct edge_error *err) {
    int64_t timeout_s = RUNTIME_STOP_ENGINE_S;
    if (docker_json_opt(json_get_i64(config, "StopTimeout", &timeout_s, NULL)) != EDGE_OK) {
        return docker_json_bad(err, "StopTimeout");
    }
    bool in_range = timeout_s >= 0 && timeout_s <= RUNTIME_STOP_MAX_S;
    c->stop_timeout_s = in_range ? (int32_t)timeout_s : RUNTIME_STOP_MAX_S;
    return EDGE_OK;
}

enum edge_code docker_json_inspected(const struct cJSON *root, struct runtime_container *ret,
                                     struct edge_error *err) {
    struct runtime_container c = {0};
    const struct cJSON *config = NULL;
    struct slice id = {0}, name = {0};

    if (json_get_str(root, "Id", &id, NULL) != EDGE_OK || !copy_id(id, c.id)) {
        return docker_json_bad(err, "Id");
    }
    if (json_get_str(root, "Name", &name, NULL) != EDGE_OK) {
        return docker_json_bad(err, "Name");
    }
    if (!copy_name(name, c.name)) {
        c.name[0] = '\0';
    }
    if (json_get_object(root, "Config", &config, NULL) != EDGE_OK) {
        return docker_json_bad(err, "Config");
    }
    enum edge_code code = read_owned(config, &c.owned, err);
    if (code == EDGE_OK) {
        code = read_stop_timeout(config, &c, err);
    }
    if (code == EDGE_OK) {
        code = read_state(root, &c, err);
    }
    if (code == EDGE_OK) {
        *ret = c;
    }
    return code;
}

enum edge_code docker_json_container(struct slice text, struct runtime_container *ret,
                                     struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;

    enum edge_code code = docker_json_object(text, &root, err);
    return code != EDGE_OK ? code : docker_json_inspected(root, ret, err);
}

static bool find_title(const struct cJSON *root, const char *title, size_t *ret_index) {
    const struct cJSON *titles = NULL;
    size_t index = 0;

    if (json_get_array(root, "Titles", &titles, NULL) != EDGE_OK) {
        return false;
    }
    for (const struct cJSON *t = json_first(titles); t != NULL; t = json_next(t)) {
        if (slice_eq_str(json_str(t), title)) {
            *ret_index = index;
            return true;
        }
        index++;
    }
    return false;
}

static bool read_pid(const struct cJSON *row, size_t index, pid_t *ret) {
    const struct cJSON *cell = json_is_array(row) ? json_first(row) : NULL;
    uint64_t pid;

    while (cell != NULL && index > 0) {
        cell = json_next(cell);
        index--;
    }
    if (cell == NULL || !slice_parse_u64(slice_trim(json_str(cell)), INT32_MAX, &pid) || pid == 0) {
        return false;
    }
    *ret = (pid_t)pid;
    return true;
}

static bool read_pids(const struct cJSON *rows, size_t index, pid_t *pids) {
    size_t cnt = 0;
    for (const struct cJSON *r = rows != NULL ? json_first(rows) : NULL; r != NULL;
         r = json_next(r)) {
        if (!read_pid(r, index, &pids[cnt])) {
            return false;
        }
        cnt++;
    }
    return true;
}

enum edge_code docker_json_top(struct slice text, const char *title, pid_t **ret_pids,
                               size_t *ret_cnt, struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    const struct cJSON *rows = NULL;
    size_t index = 0;

    enum edge_code code = docker_json_object(text, &root, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (!find_title(root, title, &index)) {
        return edge_set(err, EDGE_PROTO, "the container engine's process list has no column '%s'",
                        title);
    }
    if (docker_json_opt(json_get_array(root, "Processes", &rows, NULL)) != EDGE_OK) {
        return docker_json_bad(err, "Processes");
    }
    size_t cnt = docker_json_count(rows);
    if (cnt > RUNTIME_PIDS_MAX) {
        return edge_set(err, EDGE_RANGE, "the container has more than %d processes",
                        RUNTIME_PIDS_MAX);
    }
    pid_t *pids = calloc(cnt + 1, sizeof(*pids));
    if (pids == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a process list");
    }
    if (!read_pids(rows, index, pids)) {
        free(pids);
        return docker_json_bad(err, title);
    }
    *ret_pids = pids;
    *ret_cnt = cnt;
    return EDGE_OK;
}

enum edge_code docker_json_info(struct slice text, struct runtime_info *ret,
                                struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct runtime_info info = {0};
    int64_t cpus = 0, memory = 0;
    const struct {
        const char *name;
        char *dst;
        size_t dst_size;
    } texts[] = {
        {"OSType", info.os_type, sizeof(info.os_type)},
        {"Architecture", info.architecture, sizeof(info.architecture)},
        {"ServerVersion", info.server_version, sizeof(info.server_version)},
        {"KernelVersion", info.kernel_version, sizeof(info.kernel_version)},
        {"OperatingSystem", info.operating_system, sizeof(info.operating_system)},
    };

    enum edge_code code = docker_json_object(text, &root, err);
    if (code != EDGE_OK) {
        return code;
    }
    for (size_t i = 0; i < EDGE_ARRAY_LEN(texts); i++) {
        struct slice value = {0};
        if (json_get_opt_str(root, texts[i].name, &value, NULL) != EDGE_OK) {
            return docker_json_bad(err, texts[i].name);
        }
        copy_text(value, texts[i].dst, texts[i].dst_size);
    }
    if (docker_json_opt(json_get_i64(root, "NCPU", &cpus, NULL)) != EDGE_OK || cpus < 0 ||
        cpus > UINT32_MAX) {
        return docker_json_bad(err, "NCPU");
    }
    if (docker_json_opt(json_get_i64(root, "MemTotal", &memory, NULL)) != EDGE_OK || memory < 0) {
        return docker_json_bad(err, "MemTotal");
    }
    info.cpus = (uint32_t)cpus;
    info.total_memory = (uint64_t)memory;
    *ret = info;
    return EDGE_OK;
}

/* Docker's words and, where they differ, Podman's. */
static bool event_of(struct slice action, enum runtime_event *ret) {
    static const struct {
        const char *action;
        enum runtime_event event;
    } table[] = {
        {"start", RUNTIME_EVENT_STARTED},  {"die", RUNTIME_EVENT_STOPPED},
        {"died", RUNTIME_EVENT_STOPPED},   {"destroy", RUNTIME_EVENT_STOPPED},
        {"remove", RUNTIME_EVENT_STOPPED}, {"rename", RUNTIME_EVENT_STOPPED},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(table); i++) {
        if (slice_eq_str(action, table[i].action)) {
            *ret = table[i].event;
            return true;
        }
    }
    return false;
}

enum edge_code docker_json_event(struct slice text, bool *ret_known, enum runtime_event *ret_event,
                                 char ret_id[RUNTIME_ID_LEN + 1], struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    const struct cJSON *actor = NULL;
    struct slice type = {0}, action = {0}, id = {0};
    enum runtime_event event;

    enum edge_code code = docker_json_object(text, &root, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (json_get_opt_str(root, "Type", &type, NULL) != EDGE_OK ||
        json_get_opt_str(root, "Action", &action, NULL) != EDGE_OK) {
        return docker_json_bad(err, "Action");
    }
    if (!slice_eq_str(type, "container") || !event_of(action, &event)) {
        *ret_known = false;
        return EDGE_OK;
    }
    if (json_get_object(root, "Actor", &actor, NULL) != EDGE_OK ||
        json_get_str(actor, "ID", &id, NULL) != EDGE_OK || !copy_id(id, ret_id)) {
        return docker_json_bad(err, "Actor.ID");
    }
    *ret_known = true;
    *ret_event = event;
    return EDGE_OK;
}

void docker_json_message(struct slice body, char ret_text[DOCKER_MESSAGE_MAX]) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct slice text = body;

    if (json_parse_with_nul(body, &root, NULL) == EDGE_OK && json_is_object(root) &&
        json_get_str(root, "message", &text, NULL) != EDGE_OK) {
        text = (struct slice){0};
    }
    docker_text_clean(text, ret_text, DOCKER_MESSAGE_MAX);
}
