/* SPDX-License-Identifier: MIT */
/*
 * Inside of agent.h. agent.c looks at the container and decides, agent_make.c does what was
 * decided, agent_pace.c says when what comes next. One round at a time; a round ends in
 * agent_end_round, agent_succeed or agent_fail.
 */
#ifndef AGENT_AGENT_PARTS_H
#define AGENT_AGENT_PARTS_H

#include "agent/agent.h"
#include "agent/agent_record.h"
#include "agent/agent_spec.h"
#include "loop/backoff.h"

#include <limits.h>

/* What a round is for. */
enum agent_aim {
    AGENT_AIM_KEYS,    /* the identity at the hub needs our keys */
    AGENT_AIM_SAVE,    /* the record is not what it should be */
    AGENT_AIM_START,   /* the container that is there */
    AGENT_AIM_REPLACE, /* it by another */
    AGENT_AIM_MAKE,    /* there is none */
};

struct agent {
    struct agent_deps deps;
    char dir[PATH_MAX];
    struct loop_timer *timer; /* the next round */
    bool stopping;
    enum agent_exit exit_code; /* for on_fatal */

    char hub[MOVED_TEXT_LEN], device_id[MOVED_TEXT_LEN]; /* hub "": none */
    bool has_read;
    struct agent_record record; /* hub "": none */
    bool is_unsaved;            /* it is not on disk */
    struct {
        struct agent_record record;
        enum edge_code code;
        struct edge_error err;
    } job; /* the worker's while it is on its way */

    /* The round. */
    bool busy;
    bool again;       /* something has happened meanwhile */
    bool is_outdated; /* the identity is another one by now */
    enum agent_aim aim;
    struct op op;                             /* of a call to the hub or the engine */
    char generation_id[AGENT_GENERATION_LEN]; /* to be used; "": not known */
    bool has_asked, has_keys;                 /* the hub, in this round; what it said */
    struct agent_spec spec;
    struct edge_error pull_err;

    /* The container as it was when we looked last. */
    bool has_looked, is_engine_away;
    bool is_there, is_running;
    char id[RUNTIME_ID_LEN + 1];

    /* agent_pace.c */
    bool has_run; /* it, or the one before it, ran when we looked last */
    uint64_t up_since_ms, start_at_ms;
    uint64_t check_at_ms; /* of the generation id */
    uint64_t checked_ms;
    bool has_checked;
    uint64_t make_at_ms;          /* nothing is made or replaced before */
    bool wants_hub;               /* since the hub was in the way, and set no time */
    uint32_t failures;            /* in a row */
    char problem[AGENT_TEXT_LEN]; /* the last of them; "": none */
    char end[40];                 /* how it has ended */
    struct backoff crash, fail, check;
};

/* agent.c */
void agent_poke(struct agent *a); /* a round, now or after the one that is under way */
/* The part of a round after the hub was asked, or need not be. */
void agent_look(struct agent *a);
/* To be called first in each callback of a round; false when it is over. */
bool agent_goes_on(struct agent *a);
/* The next one comes when something is due, at the latest after max_ms. */
void agent_end_round(struct agent *a, uint64_t max_ms);

/* The record says what is to be used with the device's hub. */
bool agent_has_record(const struct agent *a);

/* agent_make.c: works towards the aim of the round. */
void agent_pursue(struct agent *a);
/* Asks the hub for the generation id; done may run at once, when it cannot be asked. */
void agent_ask(struct agent *a, agent_hub_fn *done);
enum agent_exit agent_exit_of(enum agent_hub_kind kind); /* when nothing else helps */
enum edge_code agent_build(struct agent *a, struct edge_error *err) EDGE_NODISCARD;

/* agent_pace.c */
void agent_pace_init(struct agent *a);
void agent_pace_reset(struct agent *a); /* for another identity */
/* What was seen of the container; logs when it has ended. */
void agent_pace_seen(struct agent *a, const struct runtime_module *there);
void agent_pace_started(struct agent *a);
void agent_pace_checked(struct agent *a, const struct agent_hub_answer *answer);
/* ms to the next thing that is due, at most max_ms. */
uint64_t agent_pace_next_ms(const struct agent *a, uint64_t max_ms);
/* The aim is reached. Ends the round. */
void agent_succeed(struct agent *a);
/* what: that could not be done. Ends the round. */
void agent_fail(struct agent *a, const char *what, const struct edge_error *err,
                enum agent_exit code, uint32_t retry_after_ms);
/* Counts a failure; true when it was one too many, and the end has been ordered. */
bool agent_count_failure(struct agent *a, enum agent_exit code);

#endif
