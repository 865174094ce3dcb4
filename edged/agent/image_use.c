/* SPDX-License-Identifier: MIT */
/*
 * A checked file: a line with the version, a line with the time of the last look, then one line for
 * each record: idle time, id, name.
 */
#include "agent/image_use.h"

#include "base/attr.h"
#include "base/checked.h"

#include <stdlib.h>
#include <string.h>

#define FILE_HEAD "edged images 1"

static void record_free(struct image_record *r) {
    free(r->name);
    free(r);
}

void image_use_clear(struct image_use *u) {
    for (size_t i = 0; i < u->cnt; i++) {
        record_free(u->records[i]);
    }
    free(u->records);
    *u = (struct image_use){0};
}

struct image_record *image_use_find(const struct image_use *u, const char *name, const char *id) {
    for (size_t i = 0; i < u->cnt; i++) {
        struct image_record *r = u->records[i];
        if (strcmp(r->name, name) == 0 && strcmp(r->id, id) == 0) {
            return r;
        }
    }
    return NULL;
}

/* The array for all of them is made at once: 4 KiB. */
static enum edge_code make_room(struct image_use *u, struct edge_error *err) {
    if (u->cnt >= IMAGE_USE_MAX) {
        return edge_set(err, EDGE_RANGE, "more than %d images are kept account of", IMAGE_USE_MAX);
    }
    if (u->records == NULL) {
        u->records = calloc(IMAGE_USE_MAX, sizeof(struct image_record *));
    }
    return u->records != NULL ? EDGE_OK : edge_set(err, EDGE_NOMEM, "out of memory for images");
}

static enum edge_code add(struct image_use *u, struct slice name, struct slice id, uint32_t idle_s,
                          struct edge_error *err) {
    enum edge_code code = make_room(u, err);
    if (code != EDGE_OK) {
        return code;
    }
    struct image_record *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for an image");
    }
    if (!runtime_is_image(name) || !runtime_is_image(id) ||
        !slice_to_array(id, r->id, sizeof(r->id))) {
        free(r);
        return edge_set(err, EDGE_INVALID, "no image has this name or id");
    }
    r->name = slice_dup(name);
    r->idle_s = idle_s;
    if (r->name == NULL) {
        free(r);
        return edge_set(err, EDGE_NOMEM, "out of memory for an image");
    }
    u->records[u->cnt++] = r;
    return EDGE_OK;
}

enum edge_code image_use_add(struct image_use *u, const char *name, const char *id, uint32_t idle_s,
                             struct edge_error *err) {
    return add(u, slice_str(name), slice_str(id), idle_s, err);
}

void image_use_remove(struct image_use *u, size_t at) {
    record_free(u->records[at]);
    u->cnt--;
    u->records[at] = u->records[u->cnt];
}

void image_use_merge(struct image_use *u, const struct image_use *from) {
    for (size_t i = 0; i < from->cnt; i++) {
        const struct image_record *r = from->records[i];
        if (image_use_find(u, r->name, r->id) == NULL) {
            (void)!image_use_add(u, r->name, r->id, r->idle_s, NULL);
        }
    }
}

enum edge_code image_use_encode(const struct image_use *u, struct buf *out,
                                struct edge_error *err) {
    struct buf body EDGE_CLEANUP(buf_clear) = {0};
    buf_init(&body, IMAGE_USE_TEXT_MAX);
    enum edge_code code = buf_printf(&body, err, FILE_HEAD "\n%lld", (long long)u->looked_wall_s);
    for (size_t i = 0; i < u->cnt && code == EDGE_OK; i++) {
        const struct image_record *r = u->records[i];
        code = buf_printf(&body, err, "\n%u %s %s", (unsigned)r->idle_s, r->id, r->name);
    }
    return code == EDGE_OK ? checked_seal(buf_slice(&body), out, err) : code;
}

static enum edge_code decode_line(struct slice line, struct image_use *u, struct edge_error *err) {
    struct slice idle, id, name;
    uint64_t idle_s;
    if (!slice_cut(line, ' ', &idle, &line) || !slice_cut(line, ' ', &id, &name) ||
        !slice_parse_u64(idle, UINT32_MAX, &idle_s)) {
        return edge_set(err, EDGE_PARSE, "a line tells of no image");
    }
    enum edge_code code = add(u, name, id, (uint32_t)idle_s, err);
    return code == EDGE_INVALID ? edge_set(err, EDGE_PARSE, "a line tells of no image") : code;
}

enum edge_code image_use_decode(struct slice text, struct image_use *ret, struct edge_error *err) {
    struct image_use u EDGE_CLEANUP(image_use_clear) = {0};
    struct slice body, line;
    enum edge_code code = checked_unseal(text, &body, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (!slice_cut(body, '\n', &line, &body) || !slice_eq_str(line, FILE_HEAD)) {
        return edge_set(err, EDGE_UNSUPPORTED, "written by another version");
    }
    bool more = slice_cut(body, '\n', &line, &body);
    if (!slice_parse_i64(more ? line : body, &u.looked_wall_s)) {
        return edge_set(err, EDGE_PARSE, "there is no time in it");
    }
    while (more && code == EDGE_OK) {
        more = slice_cut(body, '\n', &line, &body);
        code = decode_line(more ? line : body, &u, err);
    }
    if (code == EDGE_OK) {
        *ret = u;
        u = (struct image_use){0};
    }
    return code;
}

static enum edge_code decode(struct slice text, void *ret, struct edge_error *err) {
    return image_use_decode(text, ret, err);
}

enum edge_code image_use_read(const char *dir, struct image_use *ret, struct edge_error *err) {
    return checked_load(dir, IMAGE_USE_FILE, IMAGE_USE_TEXT_MAX, decode, ret, err);
}

enum edge_code image_use_write(const char *dir, struct slice text, struct edge_error *err) {
    return checked_save(dir, IMAGE_USE_FILE, text, err);
}
