/* SPDX-License-Identifier: MIT */
/*
 * The configuration and what the operator handed over have been read before, with the operator's
 * rights; all that follows is done with the daemon's.
 */
#include "cli/direct.h"

#include "base/lock.h"
#include "cli/owner.h"
#include "loop/loop.h"
#include "loop/wall.h"
#include "loop/worker.h"
#include "provisioning/hsm_settings.h"

#include <stdio.h>
#include <sys/stat.h>

enum edge_code direct_paths(const struct edge_config *cfg, struct direct *ret,
                            struct edge_error *err) {
    int a = snprintf(ret->state_dir, sizeof(ret->state_dir), "%s/edged", cfg->homedir);
    int b = snprintf(ret->keys_dir, sizeof(ret->keys_dir), "%s/edged/keys", cfg->homedir);
    if (a < 0 || b < 0 || (size_t)b >= sizeof(ret->keys_dir)) {
        return edge_set(err, EDGE_CONFIG, "homedir '%.128s' is too long", cfg->homedir);
    }
    return EDGE_OK;
}

static enum edge_code open_keys(const struct edge_config *cfg, struct direct *d,
                                struct edge_error *err) {
    const struct hsm_config hc = hsm_settings(cfg, d->keys_dir);
    return hsm_open(&hc, &d->hsm, err);
}

enum edge_code direct_open(const struct edge_config *cfg, struct direct *ret,
                           struct edge_error *err) {
    *ret = (struct direct){.lock_fd = -1};
    enum edge_code code = direct_paths(cfg, ret, err);
    if (code == EDGE_OK) {
        code = owner_become(cfg->homedir, err);
    }
    if (code == EDGE_OK) {
        (void)umask(0077);
        code = lock_take(ret->state_dir, LOCK_FILE, &ret->lock_fd, err);
        if (code == EDGE_CONFLICT) {
            code = edge_wrap(err, code,
                             "opening the keys without the daemon (which seems to run or to start: "
                             "'systemctl stop iotedge')");
        }
    }
    return code == EDGE_OK ? open_keys(cfg, ret, err) : code;
}

void direct_close(struct direct *d) {
    hsm_close(d->hsm);
    d->hsm = NULL;
    edge_cleanup_fd(&d->lock_fd);
}

/* --- The clock --- */

struct reading {
    struct loop *loop;
    struct worker *worker;
    struct wall *wall;
    bool stopping;
    enum edge_code code;
    int64_t wall_s;
    struct edge_error err;
};

static void on_worker_stopped(void *data) {
    const struct reading *r = data;
    loop_stop(r->loop);
}

static void on_wall_stopped(void *data) {
    struct reading *r = data;
    worker_stop(r->worker, NULL, on_worker_stopped, r);
}

/* Not from a listener, which may not stop what it listens to. */
static void stop_wall(void *data) {
    struct reading *r = data;
    wall_stop(r->wall, on_wall_stopped, r);
}

static void on_change(void *data) {
    struct reading *r = data;
    char text[WALL_TEXT_LEN];
    if (r->stopping || wall_get_state(r->wall) == WALL_UNKNOWN) {
        return;
    }
    r->stopping = true;
    r->code = EDGE_OK;
    r->wall_s = wall_now_s(r->wall);
    if (!wall_is_usable(r->wall)) {
        wall_describe(r->wall, text, sizeof(text));
        r->code = edge_set(&r->err, EDGE_RETRY, "the clock is wrong: %s", text);
    }
    if (loop_post(r->loop, stop_wall, r, &r->err) != EDGE_OK) {
        loop_stop(r->loop);
    }
}

static enum edge_code read_clock(struct reading *r, struct edge_error *err) {
    enum edge_code code = wall_on_change(r->wall, on_change, r, err);
    if (code == EDGE_OK) {
        code = wall_start(r->wall, err);
    }
    if (code != EDGE_OK) {
        worker_stop(r->worker, NULL, on_worker_stopped, r);
    }
    loop_run(r->loop);
    return code;
}

enum edge_code direct_time(const struct direct *d, int64_t *ret_wall_s, struct edge_error *err) {
    struct reading r = {.code = EDGE_INTERNAL};
    enum edge_code code = loop_new(&r.loop, err);
    if (code != EDGE_OK) {
        return code;
    }
    code = worker_new(r.loop, "clock", &r.worker, err);
    if (code == EDGE_OK) {
        code = wall_new(r.loop, r.worker, d->state_dir, &r.wall, err);
        if (code == EDGE_OK) {
            code = read_clock(&r, err);
        } else {
            worker_stop(r.worker, NULL, on_worker_stopped, &r);
            loop_run(r.loop);
        }
        wall_free(r.wall);
        worker_free(r.worker);
    }
    loop_free(r.loop);
    if (code == EDGE_OK && r.code != EDGE_OK && err != NULL) {
        *err = r.err;
    }
    if (code == EDGE_OK && r.code == EDGE_OK) {
        *ret_wall_s = r.wall_s;
    }
    return code != EDGE_OK ? code : r.code;
}
