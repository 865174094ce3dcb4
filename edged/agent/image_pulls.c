/* SPDX-License-Identifier: MIT */
/*
 * The question before is on its way when the pull begins, and costs a look into the engine's
 * memory where the pull costs one at the registry. An answer that comes too late speaks of the
 * pulled image and makes it look as if it had been there before: it is left alone then.
 */
#include "agent/image_pulls.h"

#include "base/log.h"
#include "runtime/image_name.h"

#include <stdlib.h>
#include <string.h>

enum stage {
    STAGE_BEFORE,
    STAGE_PULLING,
    STAGE_AFTER
};

struct pull {
    struct list node;
    struct image_pulls *owner;
    enum stage stage;
    struct op op; /* of a question under way */
    char image[RUNTIME_IMAGE_MAX + 1];
    char before[RUNTIME_IMAGE_MAX + 1]; /* id; "": none */
    bool knows_before;
    bool finished, good;
};

static void end(struct pull *p) {
    struct image_pulls *owner = p->owner;
    list_remove(&p->node);
    free(p);
    owner->on_end(owner->data);
}

static void on_after(void *data, enum edge_code code, const struct runtime_image *image,
                     const struct edge_error *err) {
    struct pull *p = data;
    char name[RUNTIME_IMAGE_MAX + 1];

    if (code != EDGE_OK) {
        log_debug("image %s: %s", log_quote_str(p->image), edge_error_text(err));
    } else if (image_name_full(slice_str(p->image), name)) {
        p->owner->on_named(p->owner->data, name, image->id, strcmp(p->before, image->id) != 0);
    }
    end(p);
}

/* When both the answer of before and the end of the pull are there. */
static void settle(struct pull *p) {
    p->stage = STAGE_AFTER;
    if (!p->good || !p->knows_before || p->owner->stopping ||
        runtime_image_find(p->owner->runtime, p->image, on_after, p, &p->op, NULL) != EDGE_OK) {
        end(p);
    }
}

static void on_before(void *data, enum edge_code code, const struct runtime_image *image,
                      const struct edge_error *err) {
    struct pull *p = data;
    (void)err;
    p->knows_before =
        code == EDGE_NOT_FOUND ||
        (code == EDGE_OK && slice_to_array(slice_str(image->id), p->before, sizeof(p->before)));
    p->stage = STAGE_PULLING;
    if (p->owner->stopping) {
        end(p);
    } else if (p->finished) {
        settle(p);
    }
}

void image_pulls_init(struct image_pulls *p) {
    list_init(&p->all);
}

void image_pulls_begin(struct image_pulls *p, const char *image) {
    struct pull *pull = calloc(1, sizeof(*pull));
    if (pull == NULL) {
        return;
    }
    list_init(&pull->node);
    pull->owner = p;
    if (!slice_to_array(slice_str(image), pull->image, sizeof(pull->image)) ||
        runtime_image_find(p->runtime, image, on_before, pull, &pull->op, NULL) != EDGE_OK) {
        free(pull);
        return;
    }
    list_append(&p->all, &pull->node);
}

void image_pulls_finish(struct image_pulls *p, const char *image, bool good) {
    list_for_each (node, tmp, &p->all) {
        struct pull *pull = LIST_ENTRY(node, struct pull, node);
        if (!pull->finished && strcmp(pull->image, image) == 0) {
            pull->finished = true;
            pull->good = good;
            if (pull->stage == STAGE_PULLING) {
                settle(pull);
            }
            return;
        }
    }
}

void image_pulls_stop(struct image_pulls *p) {
    p->stopping = true;
    list_for_each (node, tmp, &p->all) {
        struct pull *pull = LIST_ENTRY(node, struct pull, node);
        if (pull->stage == STAGE_PULLING) {
            end(pull);
        } else {
            op_cancel(loop_ops(p->loop), pull->op);
        }
    }
}

bool image_pulls_is_idle(const struct image_pulls *p) {
    return list_is_empty(&p->all);
}
