/* SPDX-License-Identifier: MIT */
/*
 * One job at a time.
 */
#include "agent/image_account.h"

#include "base/log.h"

static void submit(struct image_account *a, void (*run)(void *data),
                   void (*done)(void *data, enum edge_code code)) {
    const struct worker_job spec = {.run = run, .done = done, .data = a};
    a->under_way = true;
    enum edge_code code = worker_submit(a->worker, &spec, NULL, &a->err);
    if (code != EDGE_OK) {
        a->code = code;
        done(a, EDGE_OK);
    }
}

static enum edge_code end_job(struct image_account *a, enum edge_code code) {
    a->under_way = false;
    if (code != EDGE_OK) {
        a->code = edge_set(&a->err, code, "the worker did not get to it");
    }
    return a->code;
}

static void run_save(void *data) {
    struct image_account *a = data;
    a->code = image_use_write(a->dir, buf_slice(&a->text), &a->err);
}

static void on_saved(void *data, enum edge_code code) {
    struct image_account *a = data;
    if (end_job(a, code) != EDGE_OK) {
        log_warn("It cannot be saved which images were pulled for modules: %s",
                 edge_error_text(&a->err));
    } else if (a->has_changed) {
        image_account_save(a);
    }
    if (!a->under_way) {
        a->on_idle(a->data);
    }
}

void image_account_save(struct image_account *a) {
    a->has_changed = true;
    if (!a->has_read || a->under_way) {
        return;
    }
    a->has_changed = false;
    buf_clear(&a->text);
    buf_init(&a->text, 2 * IMAGE_USE_TEXT_MAX);
    a->code = image_use_encode(&a->use, &a->text, &a->err);
    if (a->code == EDGE_OK) {
        submit(a, run_save, on_saved);
    } else {
        on_saved(a, EDGE_OK);
    }
}

static void run_read(void *data) {
    struct image_account *a = data;
    a->code = image_use_read(a->dir, &a->found, &a->err);
}

static void on_read(void *data, enum edge_code code) {
    struct image_account *a = data;
    code = end_job(a, code);
    if (code == EDGE_PARSE) {
        log_warn("%s; images that were pulled before stay for good", edge_error_text(&a->err));
    }
    if (code == EDGE_OK || code == EDGE_NOT_FOUND || code == EDGE_PARSE) {
        a->has_read = true;
        a->use.looked_wall_s = a->found.looked_wall_s;
        image_use_merge(&a->use, &a->found);
        image_use_clear(&a->found);
        if (a->has_changed) {
            image_account_save(a);
        }
        a->on_read(a->data, EDGE_OK, NULL);
    } else {
        a->on_read(a->data, code, &a->err);
    }
    if (!a->under_way) {
        a->on_idle(a->data);
    }
}

void image_account_read(struct image_account *a) {
    submit(a, run_read, on_read);
}

void image_account_clear(struct image_account *a) {
    image_use_clear(&a->use);
    image_use_clear(&a->found);
    buf_clear(&a->text);
}
