/* SPDX-License-Identifier: MIT */
/*
 * Which image a pull has given a name to, and whether that is news. The engine is asked before and
 * after; when it could not be asked before, or not in time, nothing is news. Loop thread only.
 */
#ifndef AGENT_IMAGE_PULLS_H
#define AGENT_IMAGE_PULLS_H

#include "base/error.h"
#include "base/list.h"
#include "loop/loop.h"
#include "runtime/runtime.h"

#include <stdbool.h>

struct image_pulls {
    struct loop *loop;
    struct runtime *runtime;
    /* name in full. */
    void (*on_named)(void *data, const char *name, const char *id, bool is_new);
    void (*on_end)(void *data); /* of one pull, whatever came of it */
    void *data;
    struct list all;
    bool stopping;
};

/* The members above are the caller's to set. */
void image_pulls_init(struct image_pulls *p);

void image_pulls_begin(struct image_pulls *p, const char *image);
void image_pulls_finish(struct image_pulls *p, const char *image, bool good);

/* Ends all; on_end runs later for those that wait for an answer. */
void image_pulls_stop(struct image_pulls *p);
bool image_pulls_is_idle(const struct image_pulls *p);

#endif
