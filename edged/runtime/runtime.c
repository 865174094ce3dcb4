/* SPDX-License-Identifier: MIT */
/*
 * Dispatch to the implementation, and the one rule about names that all implementations share.
 */
#include "runtime/runtime.h"

enum edge_code runtime_list(struct runtime *rt, runtime_containers_fn *done, void *data,
                            struct op *ret_op, struct edge_error *err) {
    return rt->ops->list(rt, done, data, ret_op, err);
}

enum edge_code runtime_inspect(struct runtime *rt, const char *id_or_name,
                               runtime_containers_fn *done, void *data, struct op *ret_op,
                               struct edge_error *err) {
    if (!runtime_is_name(slice_str(id_or_name))) {
        return edge_set(err, EDGE_INVALID, "not the name of a container");
    }
    return rt->ops->inspect(rt, id_or_name, done, data, ret_op, err);
}

enum edge_code runtime_top(struct runtime *rt, const char *id_or_name, runtime_pids_fn *done,
                           void *data, struct op *ret_op, struct edge_error *err) {
    if (!runtime_is_name(slice_str(id_or_name))) {
        return edge_set(err, EDGE_INVALID, "not the name of a container");
    }
    return rt->ops->top(rt, id_or_name, done, data, ret_op, err);
}

enum edge_code runtime_get_info(struct runtime *rt, runtime_info_fn *done, void *data,
                                struct op *ret_op, struct edge_error *err) {
    return rt->ops->info(rt, done, data, ret_op, err);
}

enum edge_code runtime_remove(struct runtime *rt, const char *id_or_name, runtime_done_fn *done,
                              void *data, struct op *ret_op, struct edge_error *err) {
    if (!runtime_is_name(slice_str(id_or_name))) {
        return edge_set(err, EDGE_INVALID, "not the name of a container");
    }
    return rt->ops->remove(rt, id_or_name, done, data, ret_op, err);
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
