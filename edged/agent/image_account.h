/* SPDX-License-Identifier: MIT */
/*
 * The account of images in memory, and its file kept up with it on the worker. Loop thread only.
 */
#ifndef AGENT_IMAGE_ACCOUNT_H
#define AGENT_IMAGE_ACCOUNT_H

#include "agent/image_use.h"
#include "base/buf.h"
#include "base/error.h"
#include "loop/worker.h"

#include <stdbool.h>

struct image_account {
    struct worker *worker;
    const char *dir;
    /* A call of image_account_read is over: OK (has_read is set; the file may have been damaged),
     * or why not. May run at once. */
    void (*on_read)(void *data, enum edge_code code, const struct edge_error *err);
    void (*on_idle)(void *data); /* a job has ended, and none follows */
    void *data;

    struct image_use use; /* what is added before the file has been read stays beside it */
    bool has_read;
    bool has_changed;       /* use has; it is not on its way to the disk yet */
    bool under_way;         /* a job, which the worker owns until it ends */
    struct image_use found; /* read */
    struct buf text;        /* to be written */
    enum edge_code code;
    struct edge_error err;
};

/* Of an account whose first members are set and whose others are zeroed. */
void image_account_read(struct image_account *a);

/* Writes what use holds now or, while a job is under way or nothing has been read, then. A failure
 * is logged; the next save makes up for it. */
void image_account_save(struct image_account *a);

/* When no job is under way. */
void image_account_clear(struct image_account *a);

#endif
