/* SPDX-License-Identifier: MIT */
#include "support/provisioning_policy.h"

#include "loop/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- The source --- */

struct fake_source src;

static enum edge_code src_begin(struct source *s, source_done_fn *done, void *data, bool looking,
                                struct edge_error *err) {
    (void)s;
    if (!looking && src.start_code != EDGE_OK) {
        return edge_set(err, src.start_code, "the queue of the key store is full");
    }
    assert_null(src.done);
    src.done = done;
    src.data = data;
    src.starts += !looking;
    src.looks += looking;
    return EDGE_OK;
}

static void src_cancel(struct source *s) {
    (void)s;
    src.canceled = true;
}

static const char *src_id(const struct source *s) {
    (void)s;
    return "reg-01";
}

static void src_free(struct source *s) {
    (void)s;
}

static enum edge_code src_new(const char *inputs, bool is_local, bool needs_clock,
                              struct source **ret) {
    src.ops = (struct source_ops){src_begin, src_cancel, src_id, src_free, is_local, needs_clock};
    src.base.ops = &src.ops;
    (void)snprintf(src.inputs, sizeof(src.inputs), "%s", inputs);
    *ret = &src.base;
    return EDGE_OK;
}

enum edge_code source_dps_new(const struct provisioning_deps *deps, const char *inputs,
                              struct source **ret, struct edge_error *err) {
    (void)deps;
    (void)err;
    return src_new(inputs, false, true, ret);
}

enum edge_code source_manual_new(const struct provisioning_deps *deps, const char *inputs,
                                 struct source **ret, struct edge_error *err) {
    (void)deps;
    (void)err;
    return src_new(inputs, true, false, ret);
}

enum edge_code source_external_new(const struct provisioning_deps *deps, const char *inputs,
                                   struct source **ret, struct edge_error *err) {
    (void)deps;
    (void)err;
    return src_new(inputs, false, false, ret);
}

void policy_answer(const struct source_outcome *o) {
    source_done_fn *done = src.done;
    assert_non_null(done);
    src.done = NULL;
    done(src.data, o);
    fake_loop_run();
}

struct provisioning_result policy_result(const char *hub, uint64_t generation) {
    struct provisioning_result r = {.key_generation = generation, .since_wall_s = 1700000000};
    (void)snprintf(r.hub, sizeof(r.hub), "%s", hub);
    (void)snprintf(r.device_id, sizeof(r.device_id), "dev-01");
    return r;
}

/* As a real source does: the key is complete in the store before the outcome is told. */
void policy_assign(const char *hub, uint64_t generation) {
    struct source_outcome o = {.verdict = SOURCE_ASSIGNED,
                               .result = policy_result(hub, generation)};
    if (!world_has_key(generation)) {
        world_add_key(generation, hub, "dev-01", src.inputs);
    }
    policy_answer(&o);
}

void policy_fail(enum source_verdict verdict, uint32_t retry_after_ms) {
    struct source_outcome o = {.verdict = verdict, .retry_after_ms = retry_after_ms};
    (void)edge_set(&o.err, EDGE_NET, "no route");
    policy_answer(&o);
}

/* --- The daemon's side --- */

struct policy_env env;

void policy_on_identity(void *data, const struct provisioning_result *r, uint64_t serial,
                        bool moved) {
    (void)data;
    env.serial = serial;
    env.identities++;
    env.last = *r;
    env.moved = moved;
}

void policy_open(void) {
    const struct provisioning_deps deps = {
        .cloud = &env.cloud, .config = &env.cfg, .state_dir = env.dir};
    const struct provisioning_events events = {.on_identity = policy_on_identity};
    assert_int_equal(provisioning_new(&deps, &events, &env.p, NULL), EDGE_OK);
    assert_int_equal(provisioning_start(env.p, NULL), EDGE_OK);
    fake_loop_run();
}

static void on_stopped(void *data) {
    (void)data;
    env.stopped = true;
}

void policy_close(void) {
    if (env.p == NULL) {
        return;
    }
    env.stopped = false;
    provisioning_stop(env.p, on_stopped, NULL);
    fake_loop_run();
    if (src.done != NULL) {
        assert_false(env.stopped);
        assert_true(src.canceled);
        const struct source_outcome o = {.verdict = SOURCE_CANCELED};
        policy_answer(&o);
    }
    assert_true(env.stopped);
    provisioning_free(env.p);
    env.p = NULL;
}

/* What a power cut leaves: nothing but the files and keys. */
void policy_restart(void) {
    policy_close();
    memset(&src, 0, sizeof(src));
    env.identities = 0;
    policy_open();
}

/* And so late that the pause between two registrations is over. */
void policy_restart_later(void) {
    policy_restart();
    fake_loop_advance(60000);
}

static uint32_t high(void *data) {
    (void)data;
    return UINT32_MAX;
}

int policy_setup(void **state) {
    (void)state;
    world_init();
    memset(&src, 0, sizeof(src));
    memset(&env, 0, sizeof(env));
    strcpy(env.dir, "/tmp/edge-prov-XXXXXX");
    env.cfg.provisioning.global_endpoint = (char *)"https://dps.example";
    env.cfg.provisioning.scope_id = (char *)"0ne00000000";
    env.cfg.provisioning.always_reprovision_on_startup = true;
    fake_loop_init();
    env.cloud = (struct cloud){fake_loop(), fake_worker(), NULL, NULL, &world.wall};
    env.cfg.homedir = env.dir;
    env.cfg.file = (char *)"config.yaml";
    env.cfg.provisioning.source = CONFIG_SOURCE_DPS;
    env.cfg.provisioning.credential = CONFIG_CREDENTIAL_TPM;
    backoff_set_random(high, NULL);
    return mkdtemp(env.dir) == NULL;
}

void policy_clear_dir(void) {
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/cache/provisioning_backup.json", env.dir);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/cache", env.dir);
    (void)rmdir(path);
    DIR *d = opendir(env.dir);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
}

int policy_teardown(void **state) {
    (void)state;
    policy_close();
    backoff_set_random(NULL, NULL);
    fake_loop_clear();
    secret_clear(&env.cfg.provisioning.key);
    policy_clear_dir();
    return rmdir(env.dir);
}

const struct provisioning_status *policy_status(void) {
    return provisioning_get_status(env.p);
}
