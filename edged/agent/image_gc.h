/* SPDX-License-Identifier: MIT */
/*
 * Removal of images that were pulled for modules and that no container has used for a long time. An
 * image goes by the names that our pulls gave it; one that was there before, or that somebody else
 * has named as well, stays. So do the image that edgeAgent begins with and all that any container,
 * running or not, is made of; the engine, which is never forced, has the last word.
 *
 * Time without use is added up from one look to the next, at most two intervals each: neither a
 * clock that jumps nor a device that lay in a store removes anything. Nothing is removed while an
 * image is being pulled. One timer, for the next look, and none while there is no image of ours.
 * Loop thread; the file is read and written on the worker.
 */
#ifndef AGENT_IMAGE_GC_H
#define AGENT_IMAGE_GC_H

#include "base/error.h"
#include "loop/loop.h"
#include "loop/wall.h"
#include "loop/worker.h"
#include "runtime/module_ops.h"
#include "runtime/runtime.h"

#include <stdbool.h>
#include <stdint.h>

#define IMAGE_GC_SETTLE_MS (10u * 60 * 1000) /* no look earlier after the start */

struct image_gc;

struct image_gc_deps {
    struct loop *loop;
    struct worker *worker;
    struct runtime *runtime;
    const struct wall *wall;     /* NULL: the clock is taken as it is */
    const char *state_dir;       /* copied */
    const char *bootstrap_image; /* copied; never removed. NULL: none */
    bool enabled;                /* else nothing is removed, but account is kept */
    uint32_t age_s, interval_s;
    uint32_t settle_ms; /* 0: IMAGE_GC_SETTLE_MS */
};

/* Reads the file on the worker, from the first turn of the loop on. */
enum edge_code image_gc_new(const struct image_gc_deps *deps, struct image_gc **ret,
                            struct edge_error *err) EDGE_NODISCARD;

/* A module_ops hook: all pulls for modules are told here. */
void image_gc_on_image(struct image_gc *g, enum module_image what, const char *image);

/* Ends what is in progress and saves; stopped() runs in a later callback. Once, after the last pull
 * and before the runtime is closed. */
void image_gc_stop(struct image_gc *g, void (*stopped)(void *data), void *data);

/* After stopped() has run. NULL allowed. */
void image_gc_free(struct image_gc *g);

#endif
