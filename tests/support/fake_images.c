/* SPDX-License-Identifier: MIT */
#include "support/fake_images.h"

#include "base/json.h"
#include "base/list.h"
#include "runtime/image_name.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGES_CNT  8
#define NAMES_CNT   4
#define JOURNAL_LEN 32768

enum kind {
    FIND,
    UNUSED,
    REMOVE
};

struct call {
    struct list node;
    struct fake_images *fake;
    enum kind kind;
    char image[RUNTIME_IMAGE_MAX + 1];
    runtime_image_fn *found;
    runtime_done_fn *done;
    void *data;
    struct op op;
    bool canceled;
};

struct image {
    char id[RUNTIME_IMAGE_MAX + 1];               /* "": no image */
    char names[NAMES_CNT][RUNTIME_IMAGE_MAX + 1]; /* in full; "": none */
    unsigned used;
};

struct fake_images {
    struct runtime base;
    struct loop *loop;
    struct image images[IMAGES_CNT];
    enum edge_code fail, refuse;
    struct list calls;
    unsigned open;
    char journal[JOURNAL_LEN];
};

static void cancel(void *data) {
    struct call *c = data;
    c->canceled = true;
}

static enum edge_code start(struct runtime *rt, enum kind kind, const char *image,
                            runtime_image_fn *found, runtime_done_fn *done, void *data,
                            struct op *ret_op, struct edge_error *err) {
    struct fake_images *f = (struct fake_images *)rt;
    struct call *c = f->refuse == EDGE_OK ? calloc(1, sizeof(*c)) : NULL;
    if (c == NULL) {
        return edge_set(err, f->refuse != EDGE_OK ? f->refuse : EDGE_NOMEM, "refused by the test");
    }
    *c = (struct call){.fake = f, .kind = kind, .found = found, .done = done, .data = data};
    assert_true(slice_to_array(slice_str(image), c->image, sizeof(c->image)));
    list_init(&c->node);
    enum edge_code code = op_add(loop_ops(f->loop), cancel, c, &c->op, err);
    if (code != EDGE_OK) {
        free(c);
        return code;
    }
    list_append(&f->calls, &c->node);
    f->open++;
    if (ret_op != NULL) {
        *ret_op = c->op;
    }
    return EDGE_OK;
}

static enum edge_code find(struct runtime *rt, const char *image, runtime_image_fn *done,
                           void *data, struct op *ret_op, struct edge_error *err) {
    return start(rt, FIND, image, done, NULL, data, ret_op, err);
}

static enum edge_code unused(struct runtime *rt, const char *id, runtime_done_fn *done, void *data,
                             struct op *ret_op, struct edge_error *err) {
    return start(rt, UNUSED, id, NULL, done, data, ret_op, err);
}

static enum edge_code remove_image(struct runtime *rt, const char *image, runtime_done_fn *done,
                                   void *data, struct op *ret_op, struct edge_error *err) {
    return start(rt, REMOVE, image, NULL, done, data, ret_op, err);
}

static const struct runtime_ops ops = {
    .image_find = find,
    .image_unused = unused,
    .image_remove = remove_image,
};

struct fake_images *fake_images_new(struct loop *l) {
    struct fake_images *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->base.ops = &ops;
    f->loop = l;
    list_init(&f->calls);
    return f;
}

struct runtime *fake_images_get(struct fake_images *f) {
    return &f->base;
}

void fake_images_free(struct fake_images *f) {
    assert_int_equal(f->open, 0);
    free(f);
}

/* --- What is there --- */

static struct image *by_id(struct fake_images *f, const char *id) {
    for (size_t i = 0; i < IMAGES_CNT; i++) {
        if (strcmp(f->images[i].id, id) == 0) {
            return &f->images[i];
        }
    }
    return NULL;
}

static char *name_at(struct image *m, const char *full) {
    for (size_t i = 0; i < NAMES_CNT; i++) {
        if (strcmp(m->names[i], full) == 0) {
            return m->names[i];
        }
    }
    return NULL;
}

/* By id or name; *ret_name is NULL by id. */
static struct image *lookup(struct fake_images *f, const char *text, char **ret_name) {
    char full[RUNTIME_IMAGE_MAX + 1];
    struct image *m = by_id(f, text);
    *ret_name = NULL;
    assert_true(image_name_full(slice_str(text), full));
    for (size_t i = 0; m == NULL && i < IMAGES_CNT; i++) {
        *ret_name = name_at(&f->images[i], full);
        m = *ret_name != NULL ? &f->images[i] : NULL;
    }
    return m;
}

void fake_images_name(struct fake_images *f, const char *id, const char *name) {
    char full[RUNTIME_IMAGE_MAX + 1];
    char *old;
    struct image *m = by_id(f, id);
    if (m == NULL) {
        m = by_id(f, "");
        assert_non_null(m);
        assert_true(slice_to_array(slice_str(id), m->id, sizeof(m->id)));
    }
    if (name == NULL) {
        return;
    }
    if (lookup(f, name, &old) != NULL) {
        old[0] = '\0';
    }
    char *place = name_at(m, "");
    assert_non_null(place);
    assert_true(image_name_full(slice_str(name), full));
    memcpy(place, full, sizeof(full));
}

void fake_images_use(struct fake_images *f, const char *id, unsigned cnt) {
    struct image *m = by_id(f, id);
    assert_non_null(m);
    m->used = cnt;
}

void fake_images_clear(struct fake_images *f) {
    memset(f->images, 0, sizeof(f->images));
}

bool fake_images_has(const struct fake_images *f, const char *id) {
    for (size_t i = 0; i < IMAGES_CNT; i++) {
        if (strcmp(f->images[i].id, id) == 0) {
            return true;
        }
    }
    return false;
}

void fake_images_fail(struct fake_images *f, enum edge_code code) {
    f->fail = code;
}

void fake_images_refuse(struct fake_images *f, enum edge_code code) {
    f->refuse = code;
}

const char *fake_images_journal(const struct fake_images *f) {
    return f->journal;
}

void fake_images_journal_clear(struct fake_images *f) {
    f->journal[0] = '\0';
}

unsigned fake_images_open(const struct fake_images *f) {
    return f->open;
}

/* --- Answers --- */

/* NULL when memory is short, which the test may have arranged. */
static struct cJSON *names_of(const struct image *m, bool digests) {
    struct buf text;
    struct json_writer w;
    struct cJSON *root = NULL;
    buf_init(&text, 8192);
    json_begin(&w, &text);
    json_array_open(&w, NULL);
    for (size_t i = 0; i < NAMES_CNT; i++) {
        if (m->names[i][0] != '\0' && (strchr(m->names[i], '@') != NULL) == digests) {
            json_add_cstr(&w, NULL, m->names[i]);
        }
    }
    json_array_close(&w);
    if (json_end(&w, NULL) == EDGE_OK) {
        (void)!json_parse(buf_slice(&text), &root, NULL);
    }
    buf_clear(&text);
    return root;
}

static unsigned count(const struct image *m, bool digests) {
    unsigned cnt = 0;
    for (size_t i = 0; i < NAMES_CNT; i++) {
        cnt += m->names[i][0] != '\0' && (strchr(m->names[i], '@') != NULL) == digests ? 1 : 0;
    }
    return cnt;
}

/* With the last tag the digest of its repository goes, too; with the last name the image. */
static enum edge_code perform_remove(struct image *m, char *name) {
    bool is_last =
        count(m, false) == 1 ? count(m, true) <= 1 : count(m, false) + count(m, true) <= 1;
    if (!is_last && name == NULL) {
        return EDGE_CONFLICT;
    }
    if (is_last && m->used > 0) {
        return EDGE_CONFLICT;
    }
    if (is_last) {
        *m = (struct image){0};
    } else {
        name[0] = '\0';
    }
    return EDGE_OK;
}

static enum edge_code code_of(const struct call *c, struct image *m, char *name) {
    if (c->canceled) {
        return EDGE_CANCELED;
    }
    if (c->fake->fail != EDGE_OK) {
        return c->fake->fail;
    }
    switch (c->kind) {
    case FIND:
        return m != NULL ? EDGE_OK : EDGE_NOT_FOUND;
    case UNUSED:
        return m == NULL ? EDGE_NOT_FOUND : m->used > 0 ? EDGE_CONFLICT : EDGE_OK;
    case REMOVE:
        return m != NULL ? perform_remove(m, name) : EDGE_OK;
    }
    return EDGE_INTERNAL;
}

static void answer_found(const struct call *c, enum edge_code code, const struct image *m,
                         const struct edge_error *err) {
    struct runtime_image image = {0};
    struct cJSON *tags = NULL, *digests = NULL;
    if (code == EDGE_OK) {
        memcpy(image.id, m->id, sizeof(image.id));
        image.tags = tags = names_of(m, false);
        image.digests = digests = names_of(m, true);
        code = tags != NULL && digests != NULL ? EDGE_OK : EDGE_NOMEM;
    }
    c->found(c->data, code, code == EDGE_OK ? &image : NULL, err);
    json_free(tags);
    json_free(digests);
}

bool fake_images_step(struct fake_images *f) {
    static const char *const words[] = {[FIND] = "find", [UNUSED] = "unused", [REMOVE] = "remove"};
    struct edge_error err = {0};
    char *name;
    if (list_is_empty(&f->calls)) {
        return false;
    }
    struct call *c = LIST_ENTRY(f->calls.next, struct call, node);
    list_remove(&c->node);
    f->open--;
    op_remove(loop_ops(f->loop), c->op);
    struct image *m = lookup(f, c->image, &name);
    enum edge_code code = code_of(c, m, name);
    size_t len = strlen(f->journal);
    int n = snprintf(f->journal + len, sizeof(f->journal) - len, "%s%s %s%s", len > 0 ? "; " : "",
                     words[c->kind], c->image, code == EDGE_OK ? "" : "!");
    assert_true(n > 0 && (size_t)n < sizeof(f->journal) - len);
    if (code != EDGE_OK) {
        (void)edge_set(&err, code, "failed by the test");
    }
    if (c->kind == FIND) {
        answer_found(c, code, m, &err);
    } else {
        c->done(c->data, code, code == EDGE_OK ? NULL : &err);
    }
    free(c);
    return true;
}
