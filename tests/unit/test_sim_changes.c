/* SPDX-License-Identifier: MIT */
/*
 * A device on which everything happens at once, at random: changes of modules and of edgeAgent, an
 * engine and a hub that go, fail and lose answers, crashes, short memory, moves to another device
 * id, daemons that are stopped in the middle. Each order ends once, no replacement costs a module,
 * nothing is left of a former identity; and once all is well again, edgeAgent runs as it should and
 * nothing is half done. The seed of a failure is printed; SIM_SEED=SEED runs that one and tells.
 */
#include "agent_rig.h"

#include "agent/moved.h"
#include "agent/stop_modules.h"
#include "base/log.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEEDS  100
#define STEPS  400
#define ORDERS 64
#define NAMES  3

static const char *const names[NAMES] = {AGENT_NAME, "a", "b"};
static const char *const devices[] = {"d", "e"};
static const enum edge_code losses[] = {EDGE_NET, EDGE_TIMEOUT, EDGE_PROTO};

struct order {
    bool is_open, is_inside; /* its call has not returned */
    enum module_change what;
    size_t name;
};

static struct {
    uint64_t random;
    struct order orders[ORDERS];
    struct moved *moved;
    struct stop_modules *stop;
    const char *device;
    bool is_known;         /* for whom the containers are, in this run of the daemon */
    bool there[NAMES];     /* the module, under either name */
    bool may_go[NAMES];    /* somebody is removing it */
    bool disturbed[NAMES]; /* somebody has removed a container by hand */
    bool dead;             /* edgeAgent's is of no use, and removed for it */
    bool engine_is_up;
    bool is_told; /* what happens, for people */
    unsigned closed, moved_stopped, stopped;
} sim;

static uint32_t below(uint32_t n) {
    sim.random ^= sim.random << 13;
    sim.random ^= sim.random >> 7;
    sim.random ^= sim.random << 17;
    return (uint32_t)(sim.random >> 32) % n;
}

static bool once_in(uint32_t n) {
    return below(n) == 0;
}

/* --- What must hold --- */

static bool has_open(size_t name, enum module_change what) {
    for (size_t i = 0; i < ORDERS; i++) {
        const struct order *o = &sim.orders[i];
        if (o->is_open && o->name == name && o->what == what) {
            return true;
        }
    }
    return false;
}

static bool is_there(size_t name) {
    char next[RUNTIME_NAME_MAX + 1], id[RUNTIME_ID_LEN + 1];
    runtime_next_name(names[name], next);
    return fake_runtime_id_of(rig.engine, names[name], id) ||
           fake_runtime_id_of(rig.engine, next, id);
}

/* No module gets lost but by those who may remove it. */
static void check_presence(void) {
    for (size_t i = 0; i < NAMES; i++) {
        bool was = sim.there[i];
        sim.there[i] = is_there(i);
        bool may_go =
            has_open(i, MODULE_REMOVE) || !moved_is_settled(sim.moved) || (i == 0 && sim.dead);
        assert_true(!was || sim.there[i] || may_go || sim.may_go[i] || sim.disturbed[i]);
        sim.may_go[i] = may_go;
        if (!module_ops_is_busy(rig.ops, names[i])) {
            sim.disturbed[i] = false;
        }
    }
    sim.dead = sim.dead && sim.there[0] && !fake_runtime_is_running(rig.engine, AGENT_NAME);
}

static void check_no_former(void) {
    char next[RUNTIME_NAME_MAX + 1];
    for (size_t i = 0; i < NAMES; i++) {
        runtime_next_name(names[i], next);
        struct slice a = fake_runtime_label(rig.engine, names[i], "device");
        struct slice b = fake_runtime_label(rig.engine, next, "device");
        assert_true(a.len == 0 || slice_eq_str(a, sim.device));
        assert_true(b.len == 0 || slice_eq_str(b, sim.device));
    }
}

/* --- Orders --- */

static void on_done(void *data, enum edge_code code, const struct edge_error *err) {
    struct order *o = data;
    assert_true(o->is_open && !o->is_inside);
    assert_true((code == EDGE_OK) == (err == NULL));
    o->is_open = false;
}

static void give_order(void) {
    static const enum module_change changes[] = {MODULE_START,  MODULE_STOP,   MODULE_RESTART,
                                                 MODULE_REMOVE, MODULE_PULL,   MODULE_CREATE,
                                                 MODULE_UPDATE, MODULE_UPDATE, MODULE_CREATE};
    char body[512];
    size_t i = 0;
    while (sim.orders[i].is_open) {
        i++; /* there is always one: module_ops takes fewer of these */
        assert_true(i < ORDERS);
    }
    struct order *o = &sim.orders[i];
    *o = (struct order){.is_open = true,
                        .is_inside = true,
                        .what = changes[below(EDGE_ARRAY_LEN(changes))],
                        .name = below(NAMES)};
    (void)snprintf(body, sizeof(body),
                   "{\"Labels\":{\"" RUNTIME_OWNER_LABEL "\":\"" RUNTIME_OWNER_VALUE
                   "\",\"device\":\"%s\"}}",
                   sim.device);
    const struct module_order order = {.change = o->what,
                                       .name = names[o->name],
                                       .image = "a:1",
                                       .pull = once_in(2),
                                       .create_body = slice_str(body),
                                       .start = !once_in(4)};
    o->is_open = module_ops_run(rig.ops, &order, on_done, o, NULL) == EDGE_OK;
    o->is_inside = false;
    if (sim.is_told) {
        print_message("order %d %s: %s\n", (int)o->what, names[o->name],
                      o->is_open ? "taken" : "refused");
    }
}

/* --- Wiring, as in the daemon --- */

static void tell_agent(void) {
    if (moved_is_settled_for(sim.moved, HUB, sim.device)) {
        agent_set_identity(rig.agent, HUB, sim.device);
    } else {
        agent_set_identity(rig.agent, "", "");
    }
}

static void on_settled(void *data) {
    (void)data;
    if (!moved_is_settled_for(sim.moved, HUB, sim.device)) {
        return;
    }
    sim.is_known = true;
    check_no_former();
    tell_agent();
}

static void tell_identity(void) {
    if (sim.is_told) {
        print_message("identity %s\n", sim.device);
    }
    moved_set_identity(sim.moved, HUB, sim.device, true);
    tell_agent();
}

static void tell_event(enum runtime_event event, const char *id) {
    if (event == RUNTIME_EVENT_CONNECTED) {
        module_ops_settle(rig.ops);
    }
    agent_on_engine_event(rig.agent, event, id);
}

static void boot(void) {
    assert_int_equal(rig_boot(), EDGE_OK);
    const struct moved_deps deps = {.loop = fake_loop(),
                                    .worker = fake_worker(),
                                    .runtime = fake_runtime_get(rig.engine),
                                    .module_ops = rig.ops,
                                    .state_dir = rig.dir->path,
                                    .on_settled = on_settled};
    assert_int_equal(moved_new(&deps, &sim.moved, NULL), EDGE_OK);
    assert_int_equal(
        stop_modules_new(fake_loop(), fake_runtime_get(rig.engine), rig.ops, &sim.stop, NULL),
        EDGE_OK);
    sim.is_known = false;
    sim.closed = sim.moved_stopped = sim.stopped = 0;
}

static void count(void *data) {
    ++*(unsigned *)data;
}

/* What the engine was told when the daemon ends may still be done, or not. */
static void halt(void) {
    agent_stop(rig.agent);
    moved_stop(sim.moved, count, &sim.moved_stopped);
    module_ops_close(rig.ops, count, &sim.closed);
    bool is_alive = once_in(2);
    for (unsigned left_ms = MODULE_OPS_CLOSE_MS; left_ms > 0; left_ms -= 500) {
        while (fake_runtime_open(rig.engine) > 0 || fake_loop_step()) {
            enum edge_code lost = is_alive && once_in(2) ? EDGE_OK : EDGE_NET;
            (void)fake_runtime_step_nth(rig.engine, 0, lost);
            (void)rig_answer_hub();
            fake_runtime_journal_clear(rig.engine);
        }
        fake_loop_advance(500);
        (void)rig_answer_hub();
    }
    while (fake_runtime_step_nth(rig.engine, 0, EDGE_NET) || rig_answer_hub() || fake_loop_step()) {
    }
    fake_loop_advance(0);
    assert_int_equal(sim.closed, 1);
    assert_int_equal(sim.moved_stopped, 1);
    for (size_t i = 0; i < ORDERS; i++) {
        assert_false(sim.orders[i].is_open);
    }
    agent_free(rig.agent);
    stop_modules_free(sim.stop);
    moved_free(sim.moved);
    module_ops_free(rig.ops);
}

/* --- What happens --- */

static void answer_call(void) {
    char before[RUNTIME_ID_LEN + 1] = "", after[RUNTIME_ID_LEN + 1] = "";
    unsigned open = fake_runtime_open(rig.engine);
    enum edge_code lost = once_in(8) ? losses[below(EDGE_ARRAY_LEN(losses))] : EDGE_OK;
    if (open == 0) {
        return;
    }
    (void)fake_runtime_id_of(rig.engine, AGENT_NAME, before);
    (void)fake_runtime_step_nth(rig.engine, once_in(3) ? below(open) : 0, lost);
    (void)fake_runtime_id_of(rig.engine, AGENT_NAME, after);
    if (sim.engine_is_up && before[0] != '\0' && strcmp(before, after) != 0) {
        tell_event(RUNTIME_EVENT_STOPPED, before);
    }
}

static void let_fail(enum fake_runtime_call kind, const enum edge_code *codes, uint32_t cnt) {
    fake_runtime_fail_call(rig.engine, kind, once_in(2) ? EDGE_OK : codes[below(cnt)]);
}

static void disturb_engine(void) {
    static const enum edge_code codes[] = {EDGE_NET,  EDGE_TIMEOUT,  EDGE_REMOTE,
                                           EDGE_BUSY, EDGE_CONFLICT, EDGE_NOT_FOUND};
    static const enum fake_runtime_call any[] = {FAKE_RUNTIME_CREATE, FAKE_RUNTIME_START,
                                                 FAKE_RUNTIME_STOP, FAKE_RUNTIME_RESTART,
                                                 FAKE_RUNTIME_PULL};
    switch (below(6)) {
    case 0:
        sim.engine_is_up = !sim.engine_is_up;
        fake_runtime_fail(rig.engine, sim.engine_is_up ? EDGE_OK : EDGE_NET);
        tell_event(sim.engine_is_up ? RUNTIME_EVENT_CONNECTED : RUNTIME_EVENT_LOST, NULL);
        break;
    case 1:
        let_fail(any[below(EDGE_ARRAY_LEN(any))], codes, EDGE_ARRAY_LEN(codes));
        break;
    case 2:
        let_fail(FAKE_RUNTIME_REMOVE, codes, EDGE_ARRAY_LEN(codes) - 1);
        break;
    case 3:
        let_fail(once_in(2) ? FAKE_RUNTIME_LIST : FAKE_RUNTIME_RENAME, codes, 3);
        break;
    case 4:
        let_fail(once_in(2) ? FAKE_RUNTIME_INSPECT_MODULE : FAKE_RUNTIME_NETWORK, codes, 4);
        break;
    default:
        fake_runtime_refuse(rig.engine, once_in(4) ? EDGE_BUSY : EDGE_OK);
        break;
    }
}

static void disturb_container(void) {
    size_t name = below(NAMES);
    char id[RUNTIME_ID_LEN + 1];
    if (!fake_runtime_id_of(rig.engine, names[name], id)) {
        return;
    }
    if (once_in(3)) {
        sim.disturbed[name] = true;
        fake_runtime_remove(rig.engine, id);
    } else {
        bool is_dead = once_in(4);
        sim.dead = sim.dead || (is_dead && name == 0);
        fake_runtime_set_state(rig.engine, id,
                               is_dead ? RUNTIME_STATUS_DEAD : RUNTIME_STATUS_FAILED,
                               is_dead ? "dead" : "exited", 1);
    }
    if (sim.engine_is_up) {
        tell_event(RUNTIME_EVENT_STOPPED, id);
    }
}

static void disturb_rest(void) {
    static const enum agent_hub_kind kinds[] = {AGENT_HUB_OK, AGENT_HUB_OK, AGENT_HUB_UNKNOWN,
                                                AGENT_HUB_REFUSED, AGENT_HUB_AWAY};
    switch (below(6)) {
    case 0:
        rig.kind = kinds[below(EDGE_ARRAY_LEN(kinds))];
        rig.put_kind = kinds[below(EDGE_ARRAY_LEN(kinds))];
        break;
    case 1:
        rig.refuse = once_in(3) ? EDGE_BUSY : EDGE_OK;
        break;
    case 2:
        (void)snprintf(rig.generation, sizeof(rig.generation), "%u", below(3));
        rig.has_keys = false;
        break;
    case 3:
        fake_worker_fail(once_in(3) ? EDGE_BUSY : EDGE_OK);
        break;
    case 4:
        fake_loop_jump_wall((int64_t)below(200000) - 100000);
        break;
    default:
        for (int i = 0; i < 6; i++) {
            give_order();
            check_presence();
            answer_call();
            check_presence();
        }
        sim.device = sim.is_known ? devices[below(EDGE_ARRAY_LEN(devices))] : sim.device;
        tell_identity();
        break;
    }
}

static void happen(void) {
    uint32_t what = below(100);
    if (what < 86 && once_in(16)) {
        alloc_fail_arm(1 + below(6));
    }
    if (what < 40) {
        answer_call();
    } else if (what < 60) {
        (void)(fake_loop_step() || fake_loop_fire());
    } else if (what < 70) {
        (void)rig_answer_hub();
    } else if (what < 78) {
        give_order();
    } else if (what < 86) {
        fake_loop_advance(once_in(4) ? below(120000) : below(2500));
    } else if (what < 91) {
        disturb_engine();
    } else if (what < 94) {
        disturb_container();
    } else if (what < 98) {
        disturb_rest();
    } else if (once_in(6)) {
        halt();
        rig.config_tag = once_in(3) ? 'B' : 'A';
        boot();
        tell_identity();
    }
    (void)alloc_fail_disarm();
}

/* --- The end --- */

static void check_answered(void) {
    for (size_t i = 0; i < ORDERS; i++) {
        assert_false(sim.orders[i].is_open);
    }
}

static void heal(void) {
    bool was_up = sim.engine_is_up;
    sim.engine_is_up = true;
    fake_runtime_fail(rig.engine, EDGE_OK);
    for (int i = 0; i < FAKE_RUNTIME_CALL_CNT_; i++) {
        fake_runtime_fail_call(rig.engine, (enum fake_runtime_call)i, EDGE_OK);
    }
    fake_runtime_refuse(rig.engine, EDGE_OK);
    fake_worker_fail(EDGE_OK);
    rig.refuse = EDGE_OK;
    rig.kind = AGENT_HUB_OK;
    rig.put_kind = AGENT_HUB_OK;
    fake_loop_set_pump(rig_pump, NULL);
    if (was_up) {
        fake_loop_advance(10 * 60000);
        fake_runtime_journal_clear(rig.engine);
        check_answered(); /* no order waits for the engine to come back */
    }
    tell_event(RUNTIME_EVENT_CONNECTED, NULL);
    for (int i = 0; i < 60; i++) {
        fake_loop_advance(60000);
        fake_runtime_journal_clear(rig.engine);
    }
}

static void check_well(void) {
    char id[RUNTIME_ID_LEN + 1], next[RUNTIME_NAME_MAX + 1], print[256];
    struct agent_record r = {0};
    for (size_t i = 0; i < NAMES; i++) {
        runtime_next_name(names[i], next);
        assert_false(fake_runtime_id_of(rig.engine, next, id));
        assert_false(module_ops_is_busy(rig.ops, names[i]));
    }
    check_answered();
    assert_true(moved_is_settled_for(sim.moved, HUB, sim.device));
    check_no_former();
    assert_int_equal(fake_runtime_open(rig.engine), 0);
    assert_true(fake_runtime_is_running(rig.engine, AGENT_NAME));
    assert_int_equal(agent_record_read(rig.dir->path, &r, NULL), EDGE_OK);
    assert_string_equal(r.device_id, sim.device);
    assert_string_equal(r.generation_id, rig.generation);
    (void)snprintf(print, sizeof(print), "%c%s@%s@%s", rig.config_tag, rig.generation, HUB,
                   sim.device);
    assert_string_equal(r.fingerprint, print);
    assert_int_equal(rig.fatal_cnt, 0);
}

/* The machine goes down in the middle of changes. */
static void stop_all(void) {
    for (int i = 0; i < 40; i++) {
        give_order();
        answer_call();
    }
    if (once_in(3)) {
        sim.device = sim.device == devices[0] ? devices[1] : devices[0];
        tell_identity();
    }
    agent_stop(rig.agent);
    stop_modules_start(sim.stop, count, &sim.stopped);
    for (int i = 0; i < 40; i++) {
        give_order();
        (void)(fake_loop_step() || fake_loop_fire());
    }
    fake_loop_advance(STOP_MODULES_MAX_S * 1000);
    assert_int_equal(sim.stopped, 1);
    for (size_t i = 0; i < NAMES; i++) {
        assert_false(fake_runtime_is_running(rig.engine, names[i]));
    }
}

static void tell_step(int i) {
    if (sim.is_told && (rig.lines[0] != '\0' || fake_runtime_journal(rig.engine)[0] != '\0')) {
        print_message("%d: %s\n%s", i, fake_runtime_journal(rig.engine), rig.lines);
        rig.lines[0] = '\0';
    }
}

static void live(uint64_t seed, bool is_told) {
    memset(&sim, 0, sizeof(sim));
    sim.is_told = is_told;
    sim.random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
    sim.device = devices[0];
    sim.engine_is_up = true;
    fake_loop_set_pump(NULL, NULL);
    boot();
    tell_identity();
    for (int i = 0; i < STEPS; i++) {
        happen();
        tell_step(i);
        check_presence();
        fake_runtime_journal_clear(rig.engine);
    }
    heal();
    check_well();
    stop_all();
    halt();
}

static void anything_at_any_time(void **state) {
    const char *only = getenv("SIM_SEED");
    uint64_t first = only != NULL ? strtoull(only, NULL, 10) : 0;
    (void)state;
    for (uint64_t seed = first; seed < (only != NULL ? first + 1 : SEEDS); seed++) {
        void *unused = NULL;
        print_message("\r%llu ", (unsigned long long)seed);
        assert_int_equal(rig_setup(&unused), 0);
        live(seed, only != NULL);
        (void)rig_teardown(&unused);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(anything_at_any_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
