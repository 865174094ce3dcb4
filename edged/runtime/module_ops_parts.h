/* SPDX-License-Identifier: MIT */
/*
 * What the parts of module_ops share: module_ops.c takes orders and gives turns, module_ops_steps.c
 * takes the steps, module_ops_settle.c gives orders of its own. Inside runtime/ only; loop thread
 * only.
 */
#ifndef RUNTIME_MODULE_OPS_PARTS_H
#define RUNTIME_MODULE_OPS_PARTS_H

#include "base/buf.h"
#include "base/list.h"
#include "runtime/module_ops.h"

enum module_ops_step {
    STEP_END,
    STEP_LOOK, /* is it there? */
    STEP_PULL, /* or, when it may not be pulled, of an update: is the image there? */
    STEP_TURN,
    STEP_CLEAR, /* remove the container that was to take its place */
    STEP_CREATE,
    STEP_CREATE_NEXT, /* the container that is to take its place */
    STEP_REMOVE,
    STEP_RENAME, /* that container takes its place */
    STEP_START,
    STEP_STOP,
    STEP_RESTART,
    STEP_LOOK_OLD,  /* whether it is there decides what follows */
    STEP_LOOK_GONE, /* so does this, for whoever waits for after_remove */
};

struct module_ops {
    struct loop *loop;
    struct runtime *rt;
    struct module_ops_hooks hooks;
    struct list all; /* changes, oldest first */
    unsigned cnt;
    bool closing;
    unsigned held;            /* by how many */
    struct loop_timer *limit; /* of closing */
    void (*closed)(void *data);
    void *closed_data;

    struct op settle_op; /* the list of module_ops_settle */
    bool settling, settle_again;
    bool settled; /* no more than what changes under way may leave */
};

struct module_ops_change {
    struct list node;
    struct module_ops *owner;
    enum module_change what;
    const enum module_ops_step *plan;
    unsigned at; /* step of the plan */
    bool pull, start;
    int stop_s;
    bool waiting, turn;
    bool hurrying;   /* op is that of the stop that makes somebody else end */
    bool hurried;    /* somebody made this one end */
    bool ended;      /* nothing more is begun */
    bool has_old;    /* of STEP_LOOK_OLD */
    bool left;       /* there is one to be cleared */
    bool cleared;    /* and it was */
    bool renamed;    /* it took the place */
    struct op op;    /* of the runtime, while a step is under way */
    unsigned tries;  /* of the present step */
    unsigned clears; /* for another attempt at STEP_CREATE_NEXT */
    struct loop_timer *again;
    char name[RUNTIME_MODULE_MAX + 1];
    char next[RUNTIME_NAME_MAX + 1];
    char image[RUNTIME_IMAGE_MAX + 1];
    struct buf auth, body;  /* both may hold secrets */
    enum edge_code failure; /* what the caller is told once the rest of the plan is done */
    struct edge_error failure_err;
    runtime_done_fn *done; /* NULL: nobody waits */
    void *data;
};

/* module_ops.c. take_turn: true when it has the turn now; else it waits in line, and what is before
 * it is asked to hurry if need be. finish frees the change. */
bool module_ops_take_turn(struct module_ops_change *c);
bool module_ops_is_awaited(const struct module_ops_change *c); /* by one that cannot wait */
/* To all that wait although nothing of their module is under way. */
void module_ops_give_turns(struct module_ops *m);
void module_ops_finish(struct module_ops_change *c, enum edge_code code,
                       const struct edge_error *err);
void module_ops_check_closed(struct module_ops *m);
void module_ops_tell_image(const struct module_ops_change *c, enum module_image what);

/* module_ops_steps.c. try: begins the present step, or goes on with why not. advance: on to the
 * first that takes time, or true in *ret_end. go_on: after a step. */
const enum module_ops_step *module_ops_plan(enum module_change what);
void module_ops_try(struct module_ops_change *c);
enum edge_code module_ops_advance(struct module_ops_change *c, bool *ret_end,
                                  struct edge_error *err) EDGE_NODISCARD;
bool module_ops_is_passing(enum edge_code code); /* another try may end otherwise */
void module_ops_go_on(struct module_ops_change *c, enum edge_code code,
                      const struct edge_error *err);

/* module_ops_settle.c. end: of the list, if one is under way. */
void module_ops_settle_end(struct module_ops *m);
void module_ops_tell_left(const char *name, const struct edge_error *err);

#endif
