/* SPDX-License-Identifier: MIT */
/*
 * Thirty days of one device, in seconds: the real policy, source, clients, state and schedule,
 * against a provisioning service and hubs that have bad days. The hub is asked every ten minutes,
 * as edgeAgent would, and must answer; what the service is asked must stay within a budget.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mac.h"
#include "cloud/hub.h"
#include "loop/backoff.h"
#include "provisioning/provisioning.h"
#include "support/fake_hsm.h"
#include "support/fake_loop.h"
#include "support/fake_wall.h"
#include "support/sim_cloud.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define DAY          144 /* in steps of ten minutes */
#define DAYS         30
#define STEP_MS      600000u
#define AT(day, h)   ((day)*DAY + (h)*6)
#define SPREAD_S     900
#define THROTTLE_S   1800
#define JUMP_BACK_S  (2 * 86400)
#define JUMP_AHEAD_S (40 * 86400)

/* The budget, in requests to the service. A registration takes three: challenge, register, poll.
 * Away: pauses grow to four hours at most, two on the average. Throttled: one for each
 * Retry-After. */
#define BUDGET_REGISTRATION 3
#define BUDGET_AWAY_DAY     30
#define BUDGET_THROTTLE_DAY (86400 / THROTTLE_S)
#define GAP_MAX_MS          120000 /* from a hub's first refusal to the next one's acceptance */

static struct {
    struct tmpdir *dir;
    struct edge_config cfg;
    struct cloud cloud;
    struct sim_cloud sim;
    struct hub *hub;
    struct provisioning *p;
    struct provisioning_result result;
    uint64_t serial;
    bool answered; /* the last question of edgeAgent, with success */
    bool stopped;
    unsigned starts;
    unsigned identities; /* announced since the start */
    unsigned moves;
    unsigned without; /* steps without a usable identity */
    unsigned at;      /* the step */
    unsigned time_by; /* step at which the time must be known after a start in 1970 */
    uint32_t random;
} dev;

static uint32_t next_random(void *data) {
    (void)data;
    dev.random ^= dev.random << 13;
    dev.random ^= dev.random >> 17;
    dev.random ^= dev.random << 5;
    return dev.random;
}

/* --- The daemon around provisioning --- */

static void on_list(void *data, const struct hub_answer *a) {
    (void)data;
    dev.answered = a->kind == HUB_OK;
}

static void ask_hub(void) {
    dev.answered = false;
    /* Refused here while no token can be made: that is what the step then counts. */
    (void)!hub_list(dev.hub, on_list, NULL, NULL, NULL);
}

static void on_identity(void *data, const struct provisioning_result *r, uint64_t serial,
                        bool moved) {
    (void)data;
    const struct proof_source from = {.kind = PROOF_KEY, .key_generation = r->key_generation};
    dev.result = *r;
    dev.serial = serial;
    dev.identities++;
    dev.moves += moved ? 1 : 0;
    assert_int_equal(hub_set_identity(dev.hub, r->hub, r->device_id, &from, serial, NULL), EDGE_OK);
    ask_hub();
}

static void on_verdict(void *data, bool accepted, const struct hub_answer *a) {
    (void)data;
    if (accepted) {
        provisioning_confirm(dev.p, a->identity_serial);
    } else {
        provisioning_refuse(dev.p, a->identity_serial, &a->err);
    }
}

static void start(enum wall_state clock) {
    const struct provisioning_deps deps = {
        .cloud = &dev.cloud, .config = &dev.cfg, .state_dir = dev.dir->path};
    const struct provisioning_events events = {.on_identity = on_identity};
    dev.starts++;
    dev.identities = 0;
    dev.sim.wall = dev.cloud.wall = fake_wall_new();
    fake_wall_set(dev.cloud.wall, WALL_UNKNOWN, 0);
    assert_int_equal(hub_new(&dev.cloud, &dev.hub, NULL), EDGE_OK);
    hub_on_verdict(dev.hub, on_verdict, NULL);
    assert_int_equal(provisioning_new(&deps, &events, &dev.p, NULL), EDGE_OK);
    assert_int_equal(provisioning_start(dev.p, NULL), EDGE_OK);
    fake_loop_run();
    /* The saved one at once, whatever the cloud and the clock do. */
    assert_int_equal(dev.identities, dev.starts > 1 ? 1 : 0);
    fake_wall_set(dev.cloud.wall, clock, 0);
    fake_loop_run();
}

static void on_stopped(void *data) {
    (void)data;
    dev.stopped = true;
}

static void stop(void) {
    dev.stopped = false;
    provisioning_stop(dev.p, on_stopped, NULL);
    fake_loop_run();
    assert_true(dev.stopped);
    provisioning_free(dev.p);
    hub_free(dev.hub);
    wall_free(dev.cloud.wall);
}

/* --- What happens when --- */

static void restart(void) {
    stop();
    start(WALL_PLAUSIBLE);
}

static void move_404(void) {
    sim_cloud_move(&dev.sim, "b.example", false);
}

static void move_401(void) {
    sim_cloud_move(&dev.sim, "c.example", true);
}

static void dps_goes(void) {
    dev.sim.away = true;
}

static void dps_returns(void) {
    dev.sim.away = false;
}

static void throttle_begins(void) {
    dev.sim.throttle_s = THROTTLE_S;
    provisioning_ask(dev.p, "an operator wants to know");
}

static void throttle_ends(void) {
    dev.sim.throttle_s = 0;
}

/* A watchdog that starts the daemon once a minute, and an operator without patience. */
static void restart_loop(void) {
    for (unsigned i = 0; i < 30; i++) {
        restart();
        provisioning_ask(dev.p, "an operator wants to know");
        fake_loop_advance(60000);
    }
}

/* Unnoticed by the kernel and by us: an answer's Date tells. */
static void clock_back(void) {
    fake_loop_jump_wall(-JUMP_BACK_S);
    fake_wall_set(dev.cloud.wall, WALL_PLAUSIBLE, 0);
}

static void clock_back_ends(void) {
    fake_loop_jump_wall(JUMP_BACK_S);
    fake_wall_set(dev.cloud.wall, WALL_SYNCED, 0);
}

static void clock_ahead(void) {
    fake_loop_jump_wall(JUMP_AHEAD_S);
    fake_wall_set(dev.cloud.wall, WALL_PLAUSIBLE, 0);
}

static void clock_ahead_ends(void) {
    fake_loop_jump_wall(-JUMP_AHEAD_S);
    fake_wall_set(dev.cloud.wall, WALL_SYNCED, 0);
}

/* A start in 1970: only a verified peer can tell the time, and the first to be asked is the
 * service, within the time over which starts are spread. */
static void start_in_1970(void) {
    stop();
    fake_loop_jump_wall(-sim_cloud_true_s());
    start(WALL_WRONG);
    dev.time_by = dev.at + 1 + SPREAD_S * 1000 / STEP_MS;
}

static void time_service_comes(void) {
    fake_loop_jump_wall(sim_cloud_true_s() - clock_wall_s());
    fake_wall_set(dev.cloud.wall, WALL_SYNCED, 0);
}

static const struct {
    unsigned at;
    void (*happens)(void);
} script[] = {
    {AT(4, 12), move_404},           {AT(7, 0), dps_goes},
    {AT(14, 0), dps_returns},        {AT(17, 0), throttle_begins},
    {AT(17, 12), restart_loop},      {AT(18, 0), throttle_ends},
    {AT(20, 9), move_401},           {AT(22, 10), clock_back},
    {AT(22, 16), clock_back_ends},   {AT(24, 1), start_in_1970},
    {AT(24, 2), time_service_comes}, {AT(26, 10), clock_ahead},
    {AT(26, 12), clock_ahead_ends},
};

/* --- One step --- */

/* The key that is announced is the one that the hub knows. */
static bool has_key(void) {
    uint8_t ours[HSM_MAC_LEN], theirs[HSM_MAC_LEN];
    const char *key = dev.sim.key;
    assert_int_equal(hmac_sha256(key, strlen(key), "probe", 5, theirs, NULL), EDGE_OK);
    return strcmp(dev.result.hub, dev.sim.hub) == 0 &&
           hsm_identity_sign(dev.cloud.hsm, dev.result.key_generation, SLICE_LIT("probe"), ours,
                             NULL) == EDGE_OK &&
           memcmp(ours, theirs, sizeof(ours)) == 0;
}

static void step(unsigned at) {
    bool moves = false;
    dev.at = at;
    if (at % DAY == 3 * 6) {
        restart();
    }
    for (size_t i = 0; i < EDGE_ARRAY_LEN(script); i++) {
        if (script[i].at == at) {
            script[i].happens();
            moves = script[i].happens == move_404 || script[i].happens == move_401;
        }
    }
    ask_hub();
    fake_loop_run();
    if (!moves && at >= dev.time_by && !(dev.answered && has_key())) {
        dev.without++;
        print_message("day %u, step %u: no usable identity\n", at / DAY, at % DAY);
    }
    fake_loop_advance(STEP_MS);
    fake_http_forget(dev.cloud.http);
}

/* Requests to the service in these days. */
static unsigned run_days(unsigned from, unsigned to) {
    unsigned before = dev.sim.dps_requests;
    for (unsigned at = AT(from, 0); at < AT(to, 0); at++) {
        step(at);
    }
    return dev.sim.dps_requests - before;
}

/* --- The month --- */

static void open_device(uint32_t seed) {
    static char file[] = "config.yaml", endpoint[] = "https://" SIM_DPS_HOST, scope[] = SIM_SCOPE,
                id[] = SIM_ID;
    memset(&dev, 0, sizeof(dev));
    dev.random = seed;
    backoff_set_random(next_random, NULL);
    log_set_level(LOG_OFF);
    fake_loop_init();
    dev.dir = tmpdir_new();
    dev.cloud = (struct cloud){.loop = fake_loop(), .worker = fake_worker(), .hsm = fake_hsm_new()};
    assert_int_equal(hsm_identity_drop(dev.cloud.hsm, 1, NULL), EDGE_OK);
    assert_int_equal(http_client_new(dev.cloud.loop, NULL, &dev.cloud.http, NULL), EDGE_OK);
    sim_cloud_init(&dev.sim, dev.cloud.http);
    dev.sim.assigns = "a.example";
    dev.cfg = (struct edge_config){.file = file,
                                   .homedir = dev.dir->path,
                                   .provisioning = {.source = CONFIG_SOURCE_DPS,
                                                    .credential = CONFIG_CREDENTIAL_TPM,
                                                    .always_reprovision_on_startup = true,
                                                    .startup_spread_s = SPREAD_S,
                                                    .global_endpoint = endpoint,
                                                    .scope_id = scope,
                                                    .registration_id = id}};
    start(WALL_PLAUSIBLE);
    fake_loop_advance(60000);
    assert_string_equal(dev.result.hub, "a.example");
}

static void close_device(void) {
    stop();
    http_client_free(dev.cloud.http);
    hsm_close(dev.cloud.hsm);
    tmpdir_free(dev.dir);
    fake_loop_clear();
    backoff_set_random(NULL, NULL);
}

static void month(uint32_t seed) {
    open_device(seed);
    unsigned good = run_days(0, 7);
    unsigned away = run_days(7, 14);
    good += run_days(14, 17);
    unsigned throttled = run_days(17, 18);
    good += run_days(18, DAYS);
    print_message("30 days, seed %u: %u starts, %u moves, %u registrations\n", seed, dev.starts,
                  dev.moves, dev.sim.registrations);
    print_message("  requests to DPS: %u on 22 good days, %u in a week away, %u on a throttled day "
                  "(%u refused, %u early)\n",
                  good, away, throttled, dev.sim.throttled, dev.sim.early);
    print_message("  requests to hubs: %u, refused %u, longest gap %u s; %u steps of %u without a "
                  "usable identity\n",
                  dev.sim.hub_requests, dev.sim.hub_refusals, (unsigned)(dev.sim.gap_max_ms / 1000),
                  dev.without, DAYS * DAY);
    assert_int_equal(dev.without, 0);
    assert_int_equal(dev.moves, 2);
    assert_string_equal(dev.result.hub, "c.example");
    assert_true(dev.result.proven || provisioning_get_status(dev.p)->result.proven);
    assert_int_equal(dev.sim.early, 0);
    assert_true(dev.sim.gap_max_ms <= GAP_MAX_MS);
    /* First registration, one for each daily start outside the bad days, the start in 1970, the two
     * moves, one each after the bad times, and one spare for each clock step. */
    assert_in_range(good, 1, BUDGET_REGISTRATION * (1 + 22 + 1 + 2 + 2 + 2));
    assert_in_range(away, 7, 7 * BUDGET_AWAY_DAY);
    assert_in_range(throttled, 1, BUDGET_THROTTLE_DAY + BUDGET_REGISTRATION);
    close_device();
}

static void test_thirty_days(void **unused) {
    (void)unused;
    month(1);
    month(20231114);
    month(0xdecade);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_thirty_days)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
