/* SPDX-License-Identifier: MIT */
/*
 * Dispatch to the implementation, and the one rule about names that all implementations share.
 */
#include "runtime/runtime.h"

#include <stdio.h>
#include <string.h>

static enum edge_code check_name(const char *id_or_name, struct edge_error *err) {
    if (!runtime_is_name(slice_str(id_or_name))) {
        return edge_set(err, EDGE_INVALID, "not the name of a container");
    }
    return EDGE_OK;
}

static enum edge_code check_image(const char *image, struct edge_error *err) {
    if (!runtime_is_image(slice_str(image))) {
        return edge_set(err, EDGE_INVALID, "not the name of an image");
    }
    return EDGE_OK;
}

enum edge_code runtime_list(struct runtime *rt, runtime_containers_fn *done, void *data,
                            struct op *ret_op, struct edge_error *err) {
    return rt->ops->list(rt, done, data, ret_op, err);
}

enum edge_code runtime_list_modules(struct runtime *rt, runtime_modules_fn *done, void *data,
                                    struct op *ret_op, struct edge_error *err) {
    return rt->ops->modules(rt, done, data, ret_op, err);
}

enum edge_code runtime_inspect(struct runtime *rt, const char *id_or_name,
                               runtime_containers_fn *done, void *data, struct op *ret_op,
                               struct edge_error *err) {
    enum edge_code code = check_name(id_or_name, err);
    return code != EDGE_OK ? code : rt->ops->inspect(rt, id_or_name, done, data, ret_op, err);
}

enum edge_code runtime_top(struct runtime *rt, const char *id_or_name, runtime_pids_fn *done,
                           void *data, struct op *ret_op, struct edge_error *err) {
    enum edge_code code = check_name(id_or_name, err);
    return code != EDGE_OK ? code : rt->ops->top(rt, id_or_name, done, data, ret_op, err);
}

enum edge_code runtime_get_info(struct runtime *rt, runtime_info_fn *done, void *data,
                                struct op *ret_op, struct edge_error *err) {
    return rt->ops->info(rt, done, data, ret_op, err);
}

enum edge_code runtime_inspect_module(struct runtime *rt, const char *id_or_name,
                                      runtime_modules_fn *done, void *data, struct op *ret_op,
                                      struct edge_error *err) {
    enum edge_code code = check_name(id_or_name, err);
    return code != EDGE_OK ? code
                           : rt->ops->inspect_module(rt, id_or_name, done, data, ret_op, err);
}

enum edge_code runtime_create(struct runtime *rt, const struct runtime_spec *spec,
                              runtime_done_fn *done, void *data, struct op *ret_op,
                              struct edge_error *err) {
    enum edge_code code = check_name(spec->name, err);
    return code != EDGE_OK ? code : rt->ops->create(rt, spec, done, data, ret_op, err);
}

static enum edge_code act(struct runtime *rt, enum runtime_act what, const char *id_or_name,
                          int timeout_s, runtime_done_fn *done, void *data, struct op *ret_op,
                          struct edge_error *err) {
    enum edge_code code = check_name(id_or_name, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (timeout_s > RUNTIME_STOP_MAX_S) {
        timeout_s = RUNTIME_STOP_MAX_S;
    }
    return rt->ops->act(rt, what, id_or_name, timeout_s, done, data, ret_op, err);
}

enum edge_code runtime_start(struct runtime *rt, const char *id_or_name, runtime_done_fn *done,
                             void *data, struct op *ret_op, struct edge_error *err) {
    return act(rt, RUNTIME_ACT_START, id_or_name, RUNTIME_STOP_DEFAULT, done, data, ret_op, err);
}

enum edge_code runtime_stop(struct runtime *rt, const char *id_or_name, int timeout_s,
                            runtime_done_fn *done, void *data, struct op *ret_op,
                            struct edge_error *err) {
    return act(rt, RUNTIME_ACT_STOP, id_or_name, timeout_s, done, data, ret_op, err);
}

enum edge_code runtime_restart(struct runtime *rt, const char *id_or_name, runtime_done_fn *done,
                               void *data, struct op *ret_op, struct edge_error *err) {
    return act(rt, RUNTIME_ACT_RESTART, id_or_name, RUNTIME_STOP_DEFAULT, done, data, ret_op, err);
}

enum edge_code runtime_remove(struct runtime *rt, const char *id_or_name, runtime_done_fn *done,
                              void *data, struct op *ret_op, struct edge_error *err) {
    return act(rt, RUNTIME_ACT_REMOVE, id_or_name, RUNTIME_STOP_DEFAULT, done, data, ret_op, err);
}

enum edge_code runtime_rename(struct runtime *rt, const char *id_or_name, const char *to,
                              runtime_done_fn *done, void *data, struct op *ret_op,
                              struct edge_error *err) {
    enum edge_code code = check_name(id_or_name, err);
    if (code == EDGE_OK) {
        code = check_name(to, err);
    }
    return code != EDGE_OK ? code : rt->ops->rename(rt, id_or_name, to, done, data, ret_op, err);
}

enum edge_code runtime_pull(struct runtime *rt, const char *image, struct slice auth_json,
                            runtime_progress_fn *on_progress, runtime_done_fn *done, void *data,
                            struct op *ret_op, struct edge_error *err) {
    enum edge_code code = check_image(image, err);
    return code != EDGE_OK
               ? code
               : rt->ops->pull(rt, image, auth_json, on_progress, done, data, ret_op, err);
}

enum edge_code runtime_logs(struct runtime *rt, const char *id_or_name,
                            const struct runtime_logs_options *opts, const struct runtime_stream *s,
                            void *data, struct op *ret_op, struct edge_error *err) {
    uint64_t lines;
    if (opts->tail != NULL && strcmp(opts->tail, "all") != 0 &&
        (strlen(opts->tail) > RUNTIME_TAIL_MAX ||
         !slice_parse_u64(slice_str(opts->tail), UINT64_MAX, &lines))) {
        return edge_set(err, EDGE_INVALID, "not a number of lines");
    }
    enum edge_code code = check_name(id_or_name, err);
    return code != EDGE_OK ? code : rt->ops->logs(rt, id_or_name, opts, s, data, ret_op, err);
}

void runtime_logs_resume(struct runtime *rt, struct op op) {
    rt->ops->logs_resume(rt, op);
}

enum edge_code runtime_stats(struct runtime *rt, const char *id_or_name, runtime_json_fn *done,
                             void *data, struct op *ret_op, struct edge_error *err) {
    enum edge_code code = check_name(id_or_name, err);
    return code != EDGE_OK ? code : rt->ops->stats(rt, id_or_name, done, data, ret_op, err);
}

enum edge_code runtime_network_ensure(struct runtime *rt, const struct runtime_network *network,
                                      runtime_done_fn *done, void *data, struct op *ret_op,
                                      struct edge_error *err) {
    return rt->ops->network_ensure(rt, network, done, data, ret_op, err);
}

enum edge_code runtime_image_find(struct runtime *rt, const char *image, runtime_image_fn *done,
                                  void *data, struct op *ret_op, struct edge_error *err) {
    enum edge_code code = check_image(image, err);
    return code != EDGE_OK ? code : rt->ops->image_find(rt, image, done, data, ret_op, err);
}

enum edge_code runtime_image_unused(struct runtime *rt, const char *id, runtime_done_fn *done,
                                    void *data, struct op *ret_op, struct edge_error *err) {
    enum edge_code code = check_image(id, err);
    return code != EDGE_OK ? code : rt->ops->image_unused(rt, id, done, data, ret_op, err);
}

enum edge_code runtime_image_check(struct runtime *rt, const char *image, runtime_done_fn *done,
                                   void *data, struct op *ret_op, struct edge_error *err) {
    enum edge_code code = check_image(image, err);
    return code != EDGE_OK ? code : rt->ops->image_check(rt, image, done, data, ret_op, err);
}

enum edge_code runtime_image_remove(struct runtime *rt, const char *image, runtime_done_fn *done,
                                    void *data, struct op *ret_op, struct edge_error *err) {
    enum edge_code code = check_image(image, err);
    return code != EDGE_OK ? code : rt->ops->image_remove(rt, image, done, data, ret_op, err);
}

void runtime_close(struct runtime *rt, void (*closed)(void *data), void *data) {
    rt->ops->close(rt, closed, data);
}

void runtime_free(struct runtime *rt) {
    if (rt != NULL) {
        rt->ops->free(rt);
    }
}

static bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool runtime_is_name(struct slice name) {
    if (name.len == 0 || name.len > RUNTIME_NAME_MAX || !is_alnum(name.ptr[0])) {
        return false;
    }
    for (size_t i = 1; i < name.len; i++) {
        char c = name.ptr[i];
        if (!is_alnum(c) && c != '_' && c != '.' && c != '-') {
            return false;
        }
    }
    return true;
}

bool runtime_is_id(struct slice id) {
    if (id.len != RUNTIME_ID_LEN) {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    return true;
}

static bool is_next(struct slice name) {
    return slice_ends_with(name, RUNTIME_NEXT_SUFFIX);
}

bool runtime_is_module_name(struct slice name) {
    return name.len <= RUNTIME_MODULE_MAX && runtime_is_name(name) && !is_next(name) &&
           !runtime_is_id(name);
}

void runtime_next_name(const char *name, char ret[RUNTIME_NAME_MAX + 1]) {
    (void)snprintf(ret, RUNTIME_NAME_MAX + 1, "%s%s", name, RUNTIME_NEXT_SUFFIX);
}

bool runtime_of_next_name(const char *container, char ret_name[RUNTIME_MODULE_MAX + 1]) {
    struct slice name = slice_str(container);
    if (!is_next(name)) {
        return false;
    }
    name.len -= sizeof(RUNTIME_NEXT_SUFFIX) - 1;
    return runtime_is_module_name(name) && slice_to_array(name, ret_name, RUNTIME_MODULE_MAX + 1);
}

static bool is_image_segment(struct slice s) {
    bool dots_only = true;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!is_alnum(c) && memchr("._-+:@[]", c, 8) == NULL) {
            return false;
        }
        dots_only = dots_only && c == '.';
    }
    return s.len > 0 && !dots_only;
}

bool runtime_is_image(struct slice image) {
    struct slice head;

    if (image.len == 0 || image.len > RUNTIME_IMAGE_MAX ||
        (!is_alnum(image.ptr[0]) && image.ptr[0] != '[')) {
        return false;
    }
    while (slice_cut(image, '/', &head, &image)) {
        if (!is_image_segment(head)) {
            return false;
        }
    }
    return is_image_segment(image);
}
