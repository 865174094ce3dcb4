/* SPDX-License-Identifier: MIT */
#include "runtime/module_env.h"

#include "base/buf.h"

#include <stdlib.h>

#define TEXT_MAX ((size_t)2 * 1024 * 1024)

enum edge_code module_env_init(struct module_env *e, struct edge_error *err) {
    *e = (struct module_env){0};
    return map_new(MODULE_ENV_MAX, NULL, &e->by_name, err);
}

void module_env_clear(struct module_env *e) {
    map_free(e->by_name);
    free(e->items);
    *e = (struct module_env){0};
}

/* Room for as many as the array has, so that items never move while the map points to them. */
static enum edge_code make_room(struct module_env *e, const struct cJSON *array,
                                struct edge_error *err) {
    size_t cnt = e->cnt;
    for (const struct cJSON *n = json_first(array); n != NULL; n = json_next(n)) {
        cnt++;
    }
    if (cnt > MODULE_ENV_MAX) {
        return edge_set(err, EDGE_RANGE, "more than %d environment variables", MODULE_ENV_MAX);
    }
    struct module_env_item *items = calloc(cnt + 1, sizeof(*items));
    if (items == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for environment variables");
    }
    for (size_t i = 0; i < e->cnt; i++) {
        items[i] = e->items[i];
        enum edge_code code = map_put(e->by_name, items[i].name, &items[i], err);
        if (code != EDGE_OK) {
            free(items);
            return code;
        }
    }
    free(e->items);
    e->items = items;
    return EDGE_OK;
}

static enum edge_code put(struct module_env *e, struct slice name, struct slice value,
                          struct edge_error *err) {
    if (name.len == 0) {
        return edge_set(err, EDGE_INVALID, "an environment variable has no name");
    }
    struct module_env_item *item = map_get(e->by_name, name);
    if (item == NULL) {
        item = &e->items[e->cnt];
        enum edge_code code = map_put(e->by_name, name, item, err);
        if (code != EDGE_OK) {
            return code;
        }
        e->cnt++;
        item->name = name;
    }
    item->value = value;
    return EDGE_OK;
}

enum edge_code module_env_add_pairs(struct module_env *e, const struct cJSON *pairs,
                                    struct edge_error *err) {
    struct slice name;
    struct slice value;
    enum edge_code code = make_room(e, pairs, err);
    for (const struct cJSON *n = json_first(pairs); n != NULL && code == EDGE_OK;
         n = json_next(n)) {
        code = json_get_str(n, "key", &name, err);
        if (code == EDGE_OK) {
            code = json_get_str(n, "value", &value, err);
        }
        if (code == EDGE_OK && slice_find(name, '=') >= 0) {
            code = edge_set(err, EDGE_INVALID, "the name of an environment variable contains '='");
        }
        if (code == EDGE_OK) {
            code = put(e, name, value, err);
        }
    }
    return code;
}

enum edge_code module_env_add_texts(struct module_env *e, const struct cJSON *texts,
                                    struct edge_error *err) {
    enum edge_code code = make_room(e, texts, err);
    for (const struct cJSON *n = json_first(texts); n != NULL && code == EDGE_OK;
         n = json_next(n)) {
        struct slice name = json_str(n);
        struct slice value = {0};
        if (!json_is_str(n)) {
            return edge_set(err, EDGE_PARSE, "createOptions.Env is not an array of strings");
        }
        (void)slice_cut(name, '=', &name, &value);
        code = put(e, name, value, err);
    }
    return code;
}

static enum edge_code write_one(const struct module_env_item *item, struct json_writer *w,
                                struct buf *text, struct edge_error *err) {
    buf_truncate(text, 0); /* no further: the room may be that of a much longer one */
    enum edge_code code = buf_append_slice(text, item->name, err);
    if (code == EDGE_OK) {
        code = buf_append_byte(text, '=', err);
    }
    if (code == EDGE_OK) {
        code = buf_append_slice(text, item->value, err);
    }
    if (code == EDGE_OK) {
        json_add_str(w, NULL, buf_slice(text));
    }
    return code;
}

enum edge_code module_env_write(const struct module_env *e, struct json_writer *w,
                                struct edge_error *err) {
    enum edge_code code = EDGE_OK;
    struct buf text;
    buf_init_sensitive(&text, TEXT_MAX);
    json_array_open(w, "Env");
    for (size_t i = 0; i < e->cnt && code == EDGE_OK; i++) {
        code = write_one(&e->items[i], w, &text, err);
    }
    json_array_close(w);
    buf_clear(&text);
    return code;
}
