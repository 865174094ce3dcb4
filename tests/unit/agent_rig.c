/* SPDX-License-Identifier: MIT */
/* What the container has to be is two words here: config.yaml's and the generation id's. */
#include "agent_rig.h"

#include "base/json.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct rig rig;

/* --- What the container has to be --- */

enum edge_code agent_spec_build(const struct edge_config *cfg, const struct agent_identity *id,
                                struct agent_spec *ret, struct edge_error *err) {
    struct agent_spec spec = {.image = "agent:1", .pull = cfg->agent.pull};
    if (rig.build_code != EDGE_OK) {
        return edge_set(err, rig.build_code, "refused by the test");
    }
    (void)snprintf(spec.fingerprint, sizeof(spec.fingerprint), "%c%s@%s@%s", rig.config_tag,
                   id->generation_id, id->hub, id->device_id);
    buf_init(&spec.create_body, 4096);
    enum edge_code code =
        buf_printf(&spec.create_body, err, "{\"Labels\":{\"%s\":\"%s\",\"%s\":\"%s\"}}",
                   RUNTIME_OWNER_LABEL, RUNTIME_OWNER_VALUE, AGENT_SPEC_LABEL, spec.fingerprint);
    if (code != EDGE_OK) {
        buf_clear(&spec.create_body);
        return code;
    }
    *ret = spec;
    return EDGE_OK;
}

void agent_spec_clear(struct agent_spec *spec) {
    buf_clear(&spec->create_body);
    memset(spec, 0, sizeof(*spec));
}

enum agent_verdict agent_spec_judge(const struct edge_config *cfg, const struct agent_identity *id,
                                    const char *fingerprint, const char *applied,
                                    const struct runtime_module *there, const char **ret_why) {
    struct slice label = slice_str(applied);
    (void)id;
    assert_ptr_equal(cfg, &rig.cfg);
    if (there->labels != NULL) {
        (void)!json_get_opt_str(there->labels, AGENT_SPEC_LABEL, &label, NULL);
    }
    *ret_why = "the test says so";
    if (label.len > 0 && !slice_eq_str(label, fingerprint)) {
        return AGENT_REPLACE;
    }
    return strcmp(fingerprint, applied) == 0 ? AGENT_KEEP : AGENT_ADOPT;
}

/* --- Hub --- */

static void cancel_call(void *data) {
    (void)data;
    rig.call.is_canceled = true;
}

static enum edge_code begin_call(bool is_put, agent_hub_fn *done, void *data, struct op *ret_op,
                                 struct edge_error *err) {
    assert_false(rig.call.is_open);
    if (rig.refuse != EDGE_OK) {
        return edge_set(err, rig.refuse, "no token");
    }
    rig.call = (struct rig_hub_call){.is_open = true, .is_put = is_put, .done = done, .data = data};
    enum edge_code code = op_add(loop_ops(fake_loop()), cancel_call, &rig, &rig.call.op, err);
    rig.call.is_open = code == EDGE_OK;
    *ret_op = rig.call.op;
    return code;
}

static enum edge_code hub_get_fake(void *data, agent_hub_fn *done, void *done_data,
                                   struct op *ret_op, struct edge_error *err) {
    assert_ptr_equal(data, &rig);
    return begin_call(false, done, done_data, ret_op, err);
}

static enum edge_code hub_update_fake(void *data, const char *generation_id, agent_hub_fn *done,
                                      void *done_data, struct op *ret_op, struct edge_error *err) {
    assert_ptr_equal(data, &rig);
    (void)snprintf(rig.put_generation, sizeof(rig.put_generation), "%s", generation_id);
    return begin_call(true, done, done_data, ret_op, err);
}

static const struct agent_hub_ops hub_ops = {.get = hub_get_fake, .update = hub_update_fake};

bool rig_answer_hub(void) {
    struct rig_hub_call c = rig.call;
    struct edge_error err;
    if (!c.is_open) {
        return false;
    }
    rig.call.is_open = false;
    op_remove(loop_ops(fake_loop()), c.op);
    enum agent_hub_kind kind = c.is_put && rig.put_kind != AGENT_HUB_OK ? rig.put_kind : rig.kind;
    const struct agent_hub_answer answer = {.kind = c.is_canceled ? AGENT_HUB_AWAY : kind,
                                            .generation_id =
                                                kind == AGENT_HUB_OK ? rig.generation : "",
                                            .has_keys = rig.has_keys,
                                            .err = &err};
    (void)edge_set(&err, c.is_canceled ? EDGE_CANCELED : EDGE_RETRY, "the hub says no");
    rig.get_cnt += c.is_put ? 0 : 1;
    rig.put_cnt += c.is_put ? 1 : 0;
    if (c.is_put && kind == AGENT_HUB_OK) {
        rig.has_keys = true;
    }
    c.done(c.data, &answer);
    return true;
}

bool rig_pump(void *data) {
    (void)data;
    return rig_answer_hub() || fake_runtime_step(rig.engine);
}

/* --- World --- */

static void keep_line(void *data, enum log_level level, const char *line) {
    size_t len = strlen(rig.lines);
    (void)data;
    if (level != LOG_DEBUG) {
        (void)snprintf(rig.lines + len, sizeof(rig.lines) - len, "%s\n", line);
    }
}

bool rig_logged(const char *text) {
    bool found = strstr(rig.lines, text) != NULL;
    rig.lines[0] = '\0';
    return found;
}

static void on_fatal(void *data, enum agent_exit code) {
    assert_ptr_equal(data, &rig);
    rig.fatal_cnt++;
    rig.fatal = code;
}

static void on_closed(void *data) {
    (void)data;
    rig.closed_cnt++;
}

int rig_setup(void **state) {
    (void)state;
    memset(&rig, 0, sizeof(rig));
    rig.dir = tmpdir_new();
    rig.config_tag = 'A';
    rig.cfg.agent.pull = true;
    rig.cfg.network.name = (char *)"azure-iot-edge";
    (void)strcpy(rig.generation, "1");
    fake_loop_init();
    log_set_sink(keep_line, NULL);
    rig.engine = fake_runtime_new(fake_loop());
    fake_loop_set_pump(rig_pump, NULL);
    return 0;
}

int rig_teardown(void **state) {
    (void)state;
    log_set_sink(NULL, NULL);
    fake_runtime_free(rig.engine);
    fake_loop_clear();
    tmpdir_free(rig.dir);
    return 0;
}

enum edge_code rig_boot(void) {
    enum edge_code code = module_ops_new(fake_loop(), fake_runtime_get(rig.engine), &rig.ops, NULL);
    if (code != EDGE_OK) {
        return code;
    }
    rig.get_cnt = 0;
    rig.put_cnt = 0;
    const struct agent_deps deps = {.loop = fake_loop(),
                                    .worker = fake_worker(),
                                    .runtime = fake_runtime_get(rig.engine),
                                    .module_ops = rig.ops,
                                    .config = &rig.cfg,
                                    .state_dir = rig.dir->path,
                                    .hub = &hub_ops,
                                    .hub_data = &rig,
                                    .on_fatal = on_fatal,
                                    .data = &rig};
    code = agent_new(&deps, &rig.agent, NULL);
    if (code != EDGE_OK) {
        module_ops_free(rig.ops);
    }
    return code;
}

void rig_halt(void) {
    rig.closed_cnt = 0;
    agent_stop(rig.agent);
    module_ops_close(rig.ops, on_closed, NULL);
    fake_loop_advance(0);
    assert_int_equal(rig.closed_cnt, 1);
    agent_free(rig.agent);
    module_ops_free(rig.ops);
}

bool rig_step(void) {
    return fake_loop_step() || fake_loop_fire();
}

void rig_start(void) {
    assert_int_equal(rig_boot(), EDGE_OK);
    agent_set_identity(rig.agent, HUB, "d");
    fake_loop_advance(0);
}

void rig_check(const char *journal) {
    assert_string_equal(fake_runtime_journal(rig.engine), journal);
    fake_runtime_journal_clear(rig.engine);
}

void rig_check_record(const char *generation, const char *fingerprint) {
    struct agent_record r = {0};
    assert_int_equal(agent_record_read(rig.dir->path, &r, NULL), EDGE_OK);
    assert_string_equal(r.hub, HUB);
    assert_string_equal(r.device_id, "d");
    assert_string_equal(r.generation_id, generation);
    assert_string_equal(r.fingerprint, fingerprint);
}

const char *rig_agent_id(void) {
    static char id[RUNTIME_ID_LEN + 1];
    assert_true(fake_runtime_id_of(rig.engine, AGENT_NAME, id));
    return id;
}

void rig_crash(int64_t code) {
    char id[RUNTIME_ID_LEN + 1];
    (void)snprintf(id, sizeof(id), "%s", rig_agent_id());
    fake_runtime_set_state(rig.engine, id, RUNTIME_STATUS_FAILED, "exited", code);
    agent_on_engine_event(rig.agent, RUNTIME_EVENT_STOPPED, id);
    fake_loop_advance(0);
}

void rig_furnish(bool running) {
    struct runtime_container *c = fake_runtime_add(
        rig.engine, "1111111111111111111111111111111111111111111111111111111111111111", AGENT_NAME,
        true);
    c->running = running;
}
