/* SPDX-License-Identifier: MIT */
/*
 * What is known is little: the last-known time, and the last word of a verified peer together with
 * the monotonic time at which it came. The state follows from these, the clock and the kernel, and
 * is worked out whenever somebody asks, so that it can never be stale; what is kept of it is only
 * what the listeners were told last.
 */
#include "loop/wall.h"

#include "loop/wall_file.h"
#include "loop/wall_watch.h"

#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>

/* No release of this program is older: 2026-11-01T00:00:00Z. Moved on with each release. */
#define WALL_RELEASE_S INT64_C(1793491200)

/* A clock that drifts from the monotonic one by more between two looks was stepped. */
#define STEP_S 60

struct listener {
    void (*fn)(void *data);
    void *data;
};

/* Worker's from submission to completion, else the loop's. */
struct job {
    bool is_write;
    int64_t time_s;
    enum edge_code code;
    struct edge_error err;
};

struct wall {
    struct loop *loop;
    struct worker *worker;
    char dir[PATH_MAX];
    struct wall_watch *watch;
    struct loop_timer *hourly;
    struct loop_timer *soon; /* one look in a later callback, or the end of wall_stop */

    bool started, loaded, stopping;
    bool job_busy, save_due;
    struct job job;

    int64_t last_known_s; /* at least the release */
    int64_t saved_s;      /* in the file; 0: none */
    int64_t reset_from_s; /* a last-known time that turned out to lie in the future; 0: none */
    bool has_peer;
    int64_t peer_s;        /* what a verified peer said ... */
    uint64_t peer_mono_ms; /* ... and when */
    int64_t base_s;        /* clock less monotonic time at the last look */

    enum wall_state told;
    struct listener listeners[WALL_LISTENER_MAX];
    size_t listener_cnt;
    void (*stopped)(void *data);
    void *stopped_data;
};

static struct wall_kernel kernel;

void wall_set_kernel(const struct wall_kernel *k) {
    kernel = k != NULL ? *k : (struct wall_kernel){0};
}

static bool kernel_is_synced(void) {
    struct timex t = {0};
    if (kernel.is_synced != NULL) {
        return kernel.is_synced(kernel.data);
    }
    return adjtimex(&t) >= 0 && (t.status & STA_UNSYNC) == 0;
}

static int64_t distance(int64_t a, int64_t b) {
    return a > b ? a - b : b - a;
}

static int64_t peer_now(const struct wall *w) {
    return w->peer_s + (int64_t)((clock_mono_ms() - w->peer_mono_ms) / 1000);
}

static enum wall_state state_of(const struct wall *w) {
    int64_t now = clock_wall_s();
    if (!w->loaded) {
        return WALL_UNKNOWN;
    }
    /* Whoever keeps a clock before this program was made keeps it badly. */
    if (now + WALL_HINT_S >= WALL_RELEASE_S && kernel_is_synced()) {
        return WALL_SYNCED;
    }
    if (w->has_peer) {
        return distance(peer_now(w), now) > WALL_HINT_S ? WALL_CORRECTED : WALL_PLAUSIBLE;
    }
    return now + WALL_HINT_S < w->last_known_s ? WALL_WRONG : WALL_PLAUSIBLE;
}

static bool is_usable(enum wall_state s) {
    return s == WALL_PLAUSIBLE || s == WALL_SYNCED || s == WALL_CORRECTED;
}

/* For the public questions: a change that nobody has announced is announced soon. */
static enum wall_state look(const struct wall *w) {
    enum wall_state s = state_of(w);
    if (w->loaded && !w->stopping && s != w->told && !loop_timer_is_active(w->soon)) {
        loop_timer_start(w->soon, 0);
    }
    return s;
}

/* Moves the last-known time on; back only by the authority of a time service or a verified peer. A
 * clock that nobody vouches for is taken at its word only once an hour, so that a date set wrong by
 * hand can be set right again. True when the file should learn of it at once. */
static bool learn(struct wall *w, enum wall_state s, bool hour) {
    int64_t now = s == WALL_CORRECTED ? peer_now(w) : clock_wall_s();
    if (!is_usable(s) || (s == WALL_PLAUSIBLE && !w->has_peer && !hour)) {
        return false;
    }
    if (w->last_known_s > now + WALL_HINT_S) {
        w->reset_from_s = w->last_known_s;
        w->last_known_s = now > WALL_RELEASE_S ? now : WALL_RELEASE_S;
        return true;
    }
    w->last_known_s = now > w->last_known_s ? now : w->last_known_s;
    return w->saved_s == 0;
}

static void save(struct wall *w);
static void finish_stop(struct wall *w);

static void job_run(void *data) {
    struct wall *w = data;
    struct job *j = &w->job;
    j->code = j->is_write ? wall_file_write(w->dir, j->time_s, &j->err)
                          : wall_file_read(w->dir, &j->time_s, &j->err);
}

static bool submit(struct wall *w, bool is_write, void (*done)(void *data, enum edge_code code),
                   struct edge_error *err) {
    const struct worker_job spec = {.run = job_run, .done = done, .data = w};
    w->job = (struct job){.is_write = is_write, .time_s = w->last_known_s};
    w->job_busy = worker_submit(w->worker, &spec, NULL, err) == EDGE_OK;
    return w->job_busy;
}

static void on_saved(void *data, enum edge_code code) {
    struct wall *w = data;
    w->job_busy = false;
    if (code == EDGE_OK && w->job.code == EDGE_OK) {
        w->saved_s = w->job.time_s;
    } else if (code == EDGE_OK) {
        log_warn("the last-known time could not be saved: %s", edge_error_text(&w->job.err));
    }
    if (w->save_due) {
        save(w);
    }
    finish_stop(w);
}

/* Writes the last-known time unless the file has it. What cannot be written now is written in an
 * hour. */
static void save(struct wall *w) {
    struct edge_error err;
    w->save_due = w->job_busy;
    if (w->job_busy || w->last_known_s == w->saved_s || !is_usable(state_of(w))) {
        return;
    }
    if (!submit(w, true, on_saved, &err)) {
        log_debug("the last-known time is not saved: %s", edge_error_text(&err));
    }
}

static void tell(struct wall *w, enum wall_state s, bool stepped) {
    char text[WALL_TEXT_LEN];
    if (s == w->told && !stepped) {
        return;
    }
    w->told = s;
    wall_describe(w, text, sizeof(text));
    if (s == WALL_WRONG) {
        log_warn("%s", text);
    } else {
        log_info("%s", text);
    }
    for (size_t i = 0; i < w->listener_cnt; i++) {
        w->listeners[i].fn(w->listeners[i].data);
    }
}

/* Looks at everything again. */
static void refresh(struct wall *w, bool stepped, bool hour) {
    int64_t base = clock_wall_s() - (int64_t)(clock_mono_ms() / 1000);
    if (!w->loaded || w->stopping) {
        return;
    }
    stepped = stepped || distance(base, w->base_s) > STEP_S;
    w->base_s = base;
    if (stepped) {
        w->has_peer = false;
    }
    enum wall_state s = state_of(w);
    bool better = s != w->told && (s == WALL_SYNCED || s == WALL_CORRECTED);
    if (learn(w, s, hour) || better) {
        save(w);
    }
    tell(w, s, stepped);
}

static void on_step(void *data) {
    struct wall *w = data;
    w->has_peer = false; /* its word was about the clock as it was */
    refresh(w, true, false);
}

static void on_hour(void *data) {
    struct wall *w = data;
    loop_timer_start(w->hourly, WALL_SAVE_MS);
    refresh(w, false, true);
    save(w);
}

static void on_soon(void *data) {
    struct wall *w = data;
    if (w->stopping) {
        w->stopped(w->stopped_data);
    } else {
        refresh(w, false, false);
    }
}

static void on_loaded(void *data, enum edge_code code) {
    struct wall *w = data;
    const struct job *j = &w->job;
    w->job_busy = false;
    if (code == EDGE_OK && j->code == EDGE_OK) {
        w->saved_s = j->time_s;
        w->last_known_s = j->time_s > w->last_known_s ? j->time_s : w->last_known_s;
    } else if (code == EDGE_OK && j->code != EDGE_NOT_FOUND) {
        log_warn("the last-known time is lost: %s", edge_error_text(&j->err));
    }
    w->loaded = true;
    w->base_s = clock_wall_s() - (int64_t)(clock_mono_ms() / 1000);
    if (!w->stopping) {
        loop_timer_start(w->hourly, WALL_SAVE_MS);
    }
    refresh(w, false, true);
    finish_stop(w);
}

enum edge_code wall_new(struct loop *l, struct worker *worker, const char *state_dir,
                        struct wall **ret, struct edge_error *err) {
    struct wall *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory for the state of the clock");
    }
    w->loop = l;
    w->worker = worker;
    w->last_known_s = WALL_RELEASE_S;
    enum edge_code code = EDGE_OK;
    if (!slice_to_array(slice_str(state_dir), w->dir, sizeof(w->dir))) {
        code = edge_set(err, EDGE_INVALID, "the path of the state directory is too long");
    }
    if (code == EDGE_OK) {
        code = loop_timer_new(l, on_hour, w, &w->hourly, err);
    }
    if (code == EDGE_OK) {
        code = loop_timer_new(l, on_soon, w, &w->soon, err);
    }
    if (code != EDGE_OK) {
        wall_free(w);
        return code;
    }
    *ret = w;
    return EDGE_OK;
}

enum edge_code wall_start(struct wall *w, struct edge_error *err) {
    struct edge_error why;
    if (w->started || w->stopping) {
        return edge_set(err, EDGE_INTERNAL, "the clock is watched already");
    }
    enum edge_code code = wall_watch_new(w->loop, on_step, w, &w->watch, &why);
    if (code == EDGE_NOMEM) {
        return edge_set(err, code, "%s", edge_error_text(&why));
    }
    if (code != EDGE_OK) {
        log_warn("%s; they are noticed within an hour", edge_error_text(&why));
    }
    struct edge_error busy = {0};
    if (!submit(w, false, on_loaded, &busy)) {
        wall_watch_free(TAKE_PTR(w->watch));
        return edge_set(err, busy.code, "%s", edge_error_text(&busy));
    }
    w->started = true;
    return EDGE_OK;
}

enum edge_code wall_on_change(struct wall *w, void (*fn)(void *data), void *data,
                              struct edge_error *err) {
    if (w->listener_cnt == WALL_LISTENER_MAX) {
        return edge_set(err, EDGE_RANGE, "more than %d want to hear of the clock",
                        WALL_LISTENER_MAX);
    }
    w->listeners[w->listener_cnt++] = (struct listener){fn, data};
    return EDGE_OK;
}

enum wall_state wall_get_state(const struct wall *w) {
    return w != NULL ? look(w) : WALL_PLAUSIBLE;
}

const char *wall_state_name(enum wall_state s) {
    switch (s) {
    case WALL_UNKNOWN:
        return "unknown";
    case WALL_PLAUSIBLE:
        return "plausible";
    case WALL_SYNCED:
        return "synced";
    case WALL_CORRECTED:
        return "corrected";
    case WALL_WRONG:
        return "wrong";
    }
    return "unknown";
}

struct wall_time wall_get_time(const struct wall *w) {
    if (w == NULL) {
        return (struct wall_time){.now_s = clock_wall_s(), .is_usable = true, .is_trusted = true};
    }
    enum wall_state s = look(w);
    return (struct wall_time){.now_s = s == WALL_CORRECTED ? peer_now(w) : clock_wall_s(),
                              .is_usable = is_usable(s),
                              .is_trusted = s == WALL_SYNCED || s == WALL_CORRECTED ||
                                            (s == WALL_PLAUSIBLE && w->has_peer)};
}

bool wall_is_usable(const struct wall *w) {
    return wall_get_time(w).is_usable;
}

bool wall_is_trusted(const struct wall *w) {
    return wall_get_time(w).is_trusted;
}

int64_t wall_now_s(const struct wall *w) {
    return wall_get_time(w).now_s;
}

/* What was learnt of a last-known time that cannot be; empty when all is well. */
static void describe_reset(const struct wall *w, char *out, size_t size) {
    char from[CLOCK_RFC3339_LEN];
    out[0] = '\0';
    if (w->reset_from_s != 0) {
        clock_format_rfc3339(w->reset_from_s, from);
        (void)snprintf(out, size, "; the last-known time was %s, in the future, and was reset",
                       from);
    }
}

void wall_describe(const struct wall *w, char *out, size_t size) {
    char now[CLOCK_RFC3339_LEN], known[CLOCK_RFC3339_LEN], right[CLOCK_RFC3339_LEN], reset[96];
    if (w == NULL) {
        (void)snprintf(out, size, "the clock is taken as it is");
        return;
    }
    clock_format_rfc3339(clock_wall_s(), now);
    clock_format_rfc3339(w->last_known_s, known);
    describe_reset(w, reset, sizeof(reset));
    switch (state_of(w)) {
    case WALL_UNKNOWN:
        (void)snprintf(out, size, "the clock shows %s; the last-known time is still being read",
                       now);
        break;
    case WALL_SYNCED:
        (void)snprintf(out, size, "the clock shows %s and is kept by a time service%s", now, reset);
        break;
    case WALL_PLAUSIBLE:
        (void)snprintf(out, size, "the clock shows %s, no time service keeps it, %s%s", now,
                       w->has_peer ? "and the cloud agrees" : "and nothing speaks against it",
                       reset);
        break;
    case WALL_CORRECTED:
        clock_format_rfc3339(peer_now(w), right);
        (void)snprintf(out, size,
                       "the clock shows %s, but it is %s, as the cloud said; that is used until "
                       "the clock is set%s",
                       now, right, reset);
        break;
    case WALL_WRONG:
        (void)snprintf(out, size,
                       "the clock shows %s, before %s, %s; waiting for a time service or a "
                       "verified answer of the cloud (which also reset a wrong last-known time)",
                       now, known,
                       w->last_known_s > WALL_RELEASE_S ? "which this device has lived through"
                                                        : "the release of this program");
        break;
    }
}

void wall_hint(struct wall *w, int64_t date_wall_s) {
    if (w == NULL || w->stopping || date_wall_s < WALL_RELEASE_S) {
        return;
    }
    refresh(w, false, false); /* a step that nobody told of must not count against this word */
    w->has_peer = true;
    w->peer_s = date_wall_s;
    w->peer_mono_ms = clock_mono_ms();
    refresh(w, false, false);
}

/* Goes on with wall_stop when no job is on its way. */
static void finish_stop(struct wall *w) {
    if (w->stopping && !w->job_busy) {
        loop_timer_start(w->soon, 0);
    }
}

void wall_stop(struct wall *w, void (*stopped)(void *data), void *data) {
    assert(!w->stopping);
    w->stopped = stopped;
    w->stopped_data = data;
    wall_watch_free(TAKE_PTR(w->watch));
    loop_timer_stop(w->hourly);
    loop_timer_stop(w->soon);
    if (w->loaded) {
        (void)learn(w, state_of(w), true);
        save(w);
    }
    w->stopping = true;
    finish_stop(w);
}

void wall_free(struct wall *w) {
    if (w == NULL) {
        return;
    }
    assert(!w->job_busy);
    wall_watch_free(w->watch);
    loop_timer_free(w->hourly);
    loop_timer_free(w->soon);
    free(w);
}
