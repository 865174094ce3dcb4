/* SPDX-License-Identifier: MIT */
#include "support/fake_runtime.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIDS_MAX    8
#define IMAGES_MAX  8
#define JOURNAL_MAX 4096

struct call {
    struct list node;
    struct fake_runtime *fake;
    enum fake_runtime_call kind;
    char name[RUNTIME_IMAGE_MAX + 1];
    union {
        runtime_containers_fn *containers;
        runtime_modules_fn *modules;
        runtime_pids_fn *pids;
        runtime_info_fn *info;
        runtime_json_fn *json;
        runtime_done_fn *plain;
    } done;
    struct runtime_stream stream;
    runtime_progress_fn *on_progress;
    char *body;
    char *image;
    void *data;
    struct op op;
    bool canceled;
};

struct container_extra {
    pid_t pids[PIDS_MAX];
    size_t cnt;
    struct cJSON *body; /* what it was created from */
    bool has_state;     /* told instead of what follows from running */
    enum runtime_status status;
    char state[RUNTIME_STATE_MAX + 1];
    int64_t exit_code;
};

struct fake_runtime {
    struct runtime base;
    struct loop *loop;
    struct runtime_container containers[FAKE_RUNTIME_CONTAINERS_MAX];
    struct container_extra extras[FAKE_RUNTIME_CONTAINERS_MAX];
    size_t cnt;
    char missing[IMAGES_MAX][RUNTIME_IMAGE_MAX + 1];
    enum edge_code fail, refuse, fail_calls[FAKE_RUNTIME_CALL_CNT_];
    struct list calls;
    struct list streams;
    unsigned open, inspects, tops, made_cnt, resumed;
    char journal[JOURNAL_MAX];
    char *last_body, *last_auth, *last_tail;
    int last_timeout_s;
    struct runtime_logs_options last_logs;
};

static struct fake_runtime *fake_of(struct runtime *rt) {
    return (struct fake_runtime *)rt;
}

/* Memory may be short, once. */
static char *copy(struct slice s) {
    char *text = slice_dup(s);
    text = text != NULL ? text : slice_dup(s);
    assert_non_null(text);
    return text;
}

static void keep(char **where, struct slice s) {
    free(*where);
    *where = copy(s);
}

static void call_free(struct call *c) {
    free(c->body);
    free(c->image);
    free(c);
}

static void cancel(void *data) {
    struct call *c = data;
    c->canceled = true;
}

static enum edge_code call_start(struct runtime *rt, const struct call *proto, struct op *ret_op,
                                 struct edge_error *err) {
    struct fake_runtime *f = fake_of(rt);
    struct call *c = f->refuse == EDGE_OK ? calloc(1, sizeof(*c)) : NULL;
    if (c == NULL) {
        free(proto->body);
        free(proto->image);
        return edge_set(err, f->refuse != EDGE_OK ? f->refuse : EDGE_NOMEM, "refused by the test");
    }
    *c = *proto;
    c->fake = f;
    list_init(&c->node);
    enum edge_code code = op_add(loop_ops(f->loop), cancel, c, &c->op, err);
    if (code != EDGE_OK) {
        call_free(c);
        return code;
    }
    list_append(&f->calls, &c->node);
    f->open++;
    f->inspects += proto->kind == FAKE_RUNTIME_INSPECT ? 1 : 0;
    f->tops += proto->kind == FAKE_RUNTIME_TOP ? 1 : 0;
    if (ret_op != NULL) {
        *ret_op = c->op;
    }
    return EDGE_OK;
}

static void set_name(struct call *c, const char *name) {
    assert_true(slice_to_array(slice_str(name), c->name, sizeof(c->name)));
}

/* --- The operations --- */

static enum edge_code fake_list(struct runtime *rt, runtime_containers_fn *done, void *data,
                                struct op *ret_op, struct edge_error *err) {
    const struct call c = {.kind = FAKE_RUNTIME_LIST, .done.containers = done, .data = data};
    return call_start(rt, &c, ret_op, err);
}

static enum edge_code fake_modules(struct runtime *rt, runtime_modules_fn *done, void *data,
                                   struct op *ret_op, struct edge_error *err) {
    const struct call c = {.kind = FAKE_RUNTIME_MODULES, .done.modules = done, .data = data};
    return call_start(rt, &c, ret_op, err);
}

static enum edge_code fake_inspect(struct runtime *rt, const char *name,
                                   runtime_containers_fn *done, void *data, struct op *ret_op,
                                   struct edge_error *err) {
    struct call c = {.kind = FAKE_RUNTIME_INSPECT, .done.containers = done, .data = data};
    set_name(&c, name);
    return call_start(rt, &c, ret_op, err);
}

static enum edge_code fake_inspect_module(struct runtime *rt, const char *name,
                                          runtime_modules_fn *done, void *data, struct op *ret_op,
                                          struct edge_error *err) {
    struct call c = {.kind = FAKE_RUNTIME_INSPECT_MODULE, .done.modules = done, .data = data};
    set_name(&c, name);
    return call_start(rt, &c, ret_op, err);
}

static enum edge_code fake_top(struct runtime *rt, const char *name, runtime_pids_fn *done,
                               void *data, struct op *ret_op, struct edge_error *err) {
    struct call c = {.kind = FAKE_RUNTIME_TOP, .done.pids = done, .data = data};
    set_name(&c, name);
    return call_start(rt, &c, ret_op, err);
}

static enum edge_code fake_info(struct runtime *rt, runtime_info_fn *done, void *data,
                                struct op *ret_op, struct edge_error *err) {
    const struct call c = {.kind = FAKE_RUNTIME_INFO, .done.info = done, .data = data};
    return call_start(rt, &c, ret_op, err);
}

static enum edge_code fake_create(struct runtime *rt, const struct runtime_spec *spec,
                                  runtime_done_fn *done, void *data, struct op *ret_op,
                                  struct edge_error *err) {
    struct call c = {.kind = FAKE_RUNTIME_CREATE, .done.plain = done, .data = data};
    set_name(&c, spec->name);
    c.body = copy(spec->create_body);
    c.image = copy(slice_str(spec->image));
    keep(&fake_of(rt)->last_body, spec->create_body);
    return call_start(rt, &c, ret_op, err);
}

static enum edge_code fake_act(struct runtime *rt, enum runtime_act act, const char *name,
                               int timeout_s, runtime_done_fn *done, void *data, struct op *ret_op,
                               struct edge_error *err) {
    static const enum fake_runtime_call kinds[] = {
        [RUNTIME_ACT_START] = FAKE_RUNTIME_START,
        [RUNTIME_ACT_STOP] = FAKE_RUNTIME_STOP,
        [RUNTIME_ACT_RESTART] = FAKE_RUNTIME_RESTART,
        [RUNTIME_ACT_REMOVE] = FAKE_RUNTIME_REMOVE,
    };
    struct call c = {.kind = kinds[act], .done.plain = done, .data = data};
    set_name(&c, name);
    fake_of(rt)->last_timeout_s = timeout_s;
    return call_start(rt, &c, ret_op, err);
}

static enum edge_code fake_pull(struct runtime *rt, const char *image, struct slice auth_json,
                                runtime_progress_fn *on_progress, runtime_done_fn *done, void *data,
                                struct op *ret_op, struct edge_error *err) {
    struct call c = {
        .kind = FAKE_RUNTIME_PULL, .done.plain = done, .data = data, .on_progress = on_progress};
    set_name(&c, image);
    keep(&fake_of(rt)->last_auth, auth_json);
    return call_start(rt, &c, ret_op, err);
}

static enum edge_code fake_logs(struct runtime *rt, const char *name,
                                const struct runtime_logs_options *opts,
                                const struct runtime_stream *s, void *data, struct op *ret_op,
                                struct edge_error *err) {
    struct fake_runtime *f = fake_of(rt);
    struct call c = {.kind = FAKE_RUNTIME_LOGS, .stream = *s, .data = data};
    set_name(&c, name);
    f->last_logs = *opts;
    keep(&f->last_tail, slice_str(opts->tail));
    f->last_logs.tail = opts->tail != NULL ? f->last_tail : NULL;
    return call_start(rt, &c, ret_op, err);
}

static void fake_logs_resume(struct runtime *rt, struct op op) {
    fake_of(rt)->resumed += op_get(loop_ops(fake_of(rt)->loop), op) != NULL ? 1 : 0;
}

static enum edge_code fake_stats(struct runtime *rt, const char *name, runtime_json_fn *done,
                                 void *data, struct op *ret_op, struct edge_error *err) {
    struct call c = {.kind = FAKE_RUNTIME_STATS, .done.json = done, .data = data};
    set_name(&c, name);
    return call_start(rt, &c, ret_op, err);
}

static enum edge_code fake_network(struct runtime *rt, const struct runtime_network *network,
                                   runtime_done_fn *done, void *data, struct op *ret_op,
                                   struct edge_error *err) {
    struct call c = {.kind = FAKE_RUNTIME_NETWORK, .done.plain = done, .data = data};
    set_name(&c, network->name);
    return call_start(rt, &c, ret_op, err);
}

static enum edge_code fake_image_check(struct runtime *rt, const char *image, runtime_done_fn *done,
                                       void *data, struct op *ret_op, struct edge_error *err) {
    struct call c = {.kind = FAKE_RUNTIME_IMAGE_CHECK, .done.plain = done, .data = data};
    set_name(&c, image);
    return call_start(rt, &c, ret_op, err);
}

static enum edge_code fake_image_remove(struct runtime *rt, const char *image,
                                        runtime_done_fn *done, void *data, struct op *ret_op,
                                        struct edge_error *err) {
    struct call c = {.kind = FAKE_RUNTIME_IMAGE_REMOVE, .done.plain = done, .data = data};
    set_name(&c, image);
    return call_start(rt, &c, ret_op, err);
}

static enum edge_code fake_rename(struct runtime *rt, const char *name, const char *to,
                                  runtime_done_fn *done, void *data, struct op *ret_op,
                                  struct edge_error *err) {
    struct call c = {.kind = FAKE_RUNTIME_RENAME, .done.plain = done, .data = data};
    set_name(&c, name);
    c.body = copy(slice_str(to));
    return call_start(rt, &c, ret_op, err);
}

static void fake_close(struct runtime *rt, void (*closed)(void *data), void *data) {
    struct fake_runtime *f = fake_of(rt);
    f->fail = EDGE_CANCELED;
    fake_runtime_run(f);
    while (!list_is_empty(&f->streams)) {
        fake_runtime_logs_end(f, EDGE_CANCELED);
    }
    closed(data);
}

static void fake_free(struct runtime *rt) {
    struct fake_runtime *f = fake_of(rt);
    for (size_t i = 0; i < f->cnt; i++) {
        json_free(f->extras[i].body);
    }
    free(f->last_body);
    free(f->last_auth);
    free(f->last_tail);
    free(f);
}

static const struct runtime_ops ops = {
    .list = fake_list,
    .modules = fake_modules,
    .inspect = fake_inspect,
    .inspect_module = fake_inspect_module,
    .top = fake_top,
    .info = fake_info,
    .create = fake_create,
    .act = fake_act,
    .pull = fake_pull,
    .logs = fake_logs,
    .logs_resume = fake_logs_resume,
    .stats = fake_stats,
    .network_ensure = fake_network,
    .image_check = fake_image_check,
    .image_remove = fake_image_remove,
    .rename = fake_rename,
    .close = fake_close,
    .free = fake_free,
};

/* --- The world --- */

struct fake_runtime *fake_runtime_new(struct loop *l) {
    struct fake_runtime *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->base.ops = &ops;
    f->loop = l;
    list_init(&f->calls);
    list_init(&f->streams);
    return f;
}

struct runtime *fake_runtime_get(struct fake_runtime *f) {
    return &f->base;
}

void fake_runtime_free(struct fake_runtime *f) {
    assert_int_equal(f->open, 0);
    assert_true(list_is_empty(&f->streams));
    runtime_free(&f->base);
}

struct runtime_container *fake_runtime_add(struct fake_runtime *f, const char *id, const char *name,
                                           bool owned) {
    assert_true(f->cnt < FAKE_RUNTIME_CONTAINERS_MAX);
    struct runtime_container *c = &f->containers[f->cnt];
    memset(&f->extras[f->cnt], 0, sizeof(f->extras[f->cnt]));
    memset(c, 0, sizeof(*c));
    assert_true(slice_to_array(slice_str(id), c->id, sizeof(c->id)));
    assert_true(slice_to_array(slice_str(name), c->name, sizeof(c->name)));
    c->owned = owned;
    c->running = true;
    f->cnt++;
    return c;
}

static size_t find(const struct fake_runtime *f, const char *id_or_name) {
    for (size_t i = 0; i < f->cnt; i++) {
        if (strcmp(f->containers[i].id, id_or_name) == 0) {
            return i;
        }
    }
    for (size_t i = 0; i < f->cnt; i++) {
        if (strcmp(f->containers[i].name, id_or_name) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

static size_t must_find(const struct fake_runtime *f, const char *id_or_name) {
    size_t i = find(f, id_or_name);
    assert_true(i != SIZE_MAX);
    return i;
}

void fake_runtime_remove(struct fake_runtime *f, const char *id) {
    size_t i = must_find(f, id);
    json_free(f->extras[i].body);
    f->cnt--;
    f->containers[i] = f->containers[f->cnt];
    f->extras[i] = f->extras[f->cnt];
}

void fake_runtime_describe(struct fake_runtime *f, const char *id, const char *json) {
    size_t i = must_find(f, id);
    json_free(f->extras[i].body);
    f->extras[i].body = NULL;
    assert_int_equal(json_parse(slice_str(json), &f->extras[i].body, NULL), EDGE_OK);
}

bool fake_runtime_id_of(const struct fake_runtime *f, const char *name,
                        char ret_id[RUNTIME_ID_LEN + 1]) {
    size_t i = find(f, name);
    if (i != SIZE_MAX) {
        memcpy(ret_id, f->containers[i].id, RUNTIME_ID_LEN + 1);
    }
    return i != SIZE_MAX;
}

bool fake_runtime_is_running(const struct fake_runtime *f, const char *name) {
    size_t i = find(f, name);
    return i != SIZE_MAX && f->containers[i].running;
}

struct slice fake_runtime_label(const struct fake_runtime *f, const char *name, const char *label) {
    const struct cJSON *labels = NULL;
    struct slice value = {0};
    size_t i = find(f, name);
    if (i != SIZE_MAX && f->extras[i].body != NULL &&
        json_get_object(f->extras[i].body, "Labels", &labels, NULL) == EDGE_OK) {
        (void)!json_get_opt_str(labels, label, &value, NULL);
    }
    return value;
}

void fake_runtime_set_state(struct fake_runtime *f, const char *id, enum runtime_status status,
                            const char *state, int64_t exit_code) {
    struct container_extra *e = &f->extras[must_find(f, id)];
    e->has_state = true;
    e->status = status;
    e->exit_code = exit_code;
    assert_true(slice_to_array(slice_str(state), e->state, sizeof(e->state)));
    f->containers[must_find(f, id)].running = status == RUNTIME_STATUS_RUNNING;
}

void fake_runtime_set_pids(struct fake_runtime *f, const char *id, const pid_t *pids, size_t cnt) {
    size_t i = must_find(f, id);
    assert_true(cnt <= PIDS_MAX);
    memcpy(f->extras[i].pids, pids, cnt * sizeof(*pids));
    f->extras[i].cnt = cnt;
}

void fake_runtime_miss_image(struct fake_runtime *f, const char *image) {
    for (size_t i = 0; i < IMAGES_MAX; i++) {
        if (f->missing[i][0] == '\0') {
            assert_true(slice_to_array(slice_str(image), f->missing[i], sizeof(f->missing[i])));
            return;
        }
    }
    fail_msg("too many missing images");
}

void fake_runtime_fail(struct fake_runtime *f, enum edge_code code) {
    f->fail = code;
}

void fake_runtime_fail_call(struct fake_runtime *f, enum fake_runtime_call kind,
                            enum edge_code code) {
    f->fail_calls[kind] = code;
}

void fake_runtime_fail_top(struct fake_runtime *f, enum edge_code code) {
    fake_runtime_fail_call(f, FAKE_RUNTIME_TOP, code);
}

void fake_runtime_refuse(struct fake_runtime *f, enum edge_code code) {
    f->refuse = code;
}

/* --- Answers --- */

static size_t missing_at(const struct fake_runtime *f, const char *image) {
    for (size_t i = 0; i < IMAGES_MAX; i++) {
        if (image != NULL && image[0] != '\0' && strcmp(f->missing[i], image) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

static enum edge_code code_of(const struct call *c, size_t at) {
    const struct fake_runtime *f = c->fake;
    bool ours = at != SIZE_MAX && f->containers[at].owned;

    if (c->canceled) {
        return EDGE_CANCELED;
    }
    if (f->fail != EDGE_OK) {
        return f->fail;
    }
    if (f->fail_calls[c->kind] != EDGE_OK) {
        return f->fail_calls[c->kind];
    }
    switch (c->kind) {
    case FAKE_RUNTIME_INSPECT:
    case FAKE_RUNTIME_TOP:
    case FAKE_RUNTIME_STATS:
        return at == SIZE_MAX ? EDGE_NOT_FOUND : EDGE_OK;
    case FAKE_RUNTIME_INSPECT_MODULE:
    case FAKE_RUNTIME_START:
    case FAKE_RUNTIME_STOP:
    case FAKE_RUNTIME_RESTART:
    case FAKE_RUNTIME_REMOVE:
    case FAKE_RUNTIME_LOGS:
        return ours ? EDGE_OK : EDGE_NOT_FOUND;
    case FAKE_RUNTIME_RENAME:
        return !ours ? EDGE_NOT_FOUND : find(f, c->body) != SIZE_MAX ? EDGE_CONFLICT : EDGE_OK;
    case FAKE_RUNTIME_CREATE:
        return at != SIZE_MAX                        ? EDGE_CONFLICT
               : missing_at(f, c->image) != SIZE_MAX ? EDGE_NOT_FOUND
                                                     : EDGE_OK;
    case FAKE_RUNTIME_IMAGE_CHECK:
        return missing_at(f, c->name) != SIZE_MAX ? EDGE_NOT_FOUND : EDGE_OK;
    default:
        return EDGE_OK;
    }
}

static void describe(const struct fake_runtime *f, size_t at, struct runtime_module *m) {
    const struct runtime_container *c = &f->containers[at];
    const struct container_extra *e = &f->extras[at];
    struct slice image = SLICE_LIT("image.test/module:1"), started = {0};

    memset(m, 0, sizeof(*m));
    memcpy(m->id, c->id, sizeof(m->id));
    memcpy(m->name, c->name, sizeof(m->name));
    if (e->body != NULL) {
        (void)!json_get_str(e->body, "Image", &image, NULL);
        (void)!json_get_object(e->body, "Labels", &m->labels, NULL);
        (void)!json_get_array(e->body, "Env", &m->env, NULL);
        (void)!json_get_array(e->body, "Mounts", &m->mounts, NULL);
        (void)!json_get_opt_str(e->body, "StartedAt", &started, NULL);
    }
    assert_true(slice_to_array(image, m->image, sizeof(m->image)));
    assert_true(slice_to_array(started, m->started, sizeof(m->started)));
    assert_true(slice_to_array(SLICE_LIT("sha256:00"), m->image_id, sizeof(m->image_id)));
    m->status = c->running ? RUNTIME_STATUS_RUNNING : RUNTIME_STATUS_STOPPED;
    const char *state = c->running ? "running" : "created";
    assert_true(slice_to_array(slice_str(state), m->state, sizeof(m->state)));
    m->has_exit_code = true;
    if (e->has_state) {
        m->status = e->status;
        memcpy(m->state, e->state, sizeof(m->state));
        m->exit_code = e->exit_code;
    }
}

static void answer_modules(const struct call *c, enum edge_code code, size_t at,
                           const struct edge_error *err) {
    const struct fake_runtime *f = c->fake;
    static struct runtime_module list[FAKE_RUNTIME_CONTAINERS_MAX]; /* memory may be short */
    size_t cnt = 0;

    for (size_t i = 0; code == EDGE_OK && i < f->cnt; i++) {
        if (f->containers[i].owned && runtime_is_module_name(slice_str(f->containers[i].name)) &&
            (at == SIZE_MAX || at == i)) {
            describe(f, i, &list[cnt++]);
        }
    }
    c->done.modules(c->data, code, code == EDGE_OK ? list : NULL, cnt, err);
}

static void make(const struct call *c) {
    struct fake_runtime *f = c->fake;
    const struct cJSON *labels = NULL;
    struct slice owner = {0};
    char id[RUNTIME_ID_LEN + 1];

    (void)snprintf(id, sizeof(id), "%064x", 0xabc000u + f->made_cnt++);
    struct runtime_container *made = fake_runtime_add(f, id, c->name, false);
    made->running = false;
    struct cJSON **body = &f->extras[f->cnt - 1].body;
    if (json_parse(slice_str(c->body), body, NULL) == EDGE_NOMEM) {
        assert_int_equal(json_parse(slice_str(c->body), body, NULL), EDGE_OK);
    }
    assert_non_null(*body);
    if (json_get_object(*body, "Labels", &labels, NULL) == EDGE_OK) {
        (void)!json_get_opt_str(labels, RUNTIME_OWNER_LABEL, &owner, NULL);
    }
    made->owned = slice_eq_str(owner, RUNTIME_OWNER_VALUE);
}

/* What a call changes when it succeeds. */
static void perform(const struct call *c, size_t at) {
    struct fake_runtime *f = c->fake;
    size_t image = missing_at(f, c->name);

    switch (c->kind) {
    case FAKE_RUNTIME_CREATE:
        make(c);
        break;
    case FAKE_RUNTIME_START:
    case FAKE_RUNTIME_RESTART:
        f->containers[at].running = true;
        f->extras[at].has_state = false;
        break;
    case FAKE_RUNTIME_STOP:
        f->containers[at].running = false;
        break;
    case FAKE_RUNTIME_REMOVE:
        fake_runtime_remove(f, c->name);
        break;
    case FAKE_RUNTIME_RENAME:
        assert_true(slice_to_array(slice_str(c->body), f->containers[at].name,
                                   sizeof(f->containers[at].name)));
        break;
    case FAKE_RUNTIME_PULL:
        if (image != SIZE_MAX) {
            f->missing[image][0] = '\0';
        }
        if (c->on_progress != NULL) {
            c->on_progress(c->data, "Pulling");
        }
        break;
    default:
        break;
    }
}

static void journal(struct fake_runtime *f, const struct call *c, bool ok) {
    static const char *const names[FAKE_RUNTIME_CALL_CNT_] = {
        [FAKE_RUNTIME_CREATE] = "create",
        [FAKE_RUNTIME_START] = "start",
        [FAKE_RUNTIME_STOP] = "stop",
        [FAKE_RUNTIME_RESTART] = "restart",
        [FAKE_RUNTIME_REMOVE] = "remove",
        [FAKE_RUNTIME_PULL] = "pull",
        [FAKE_RUNTIME_LOGS] = "logs",
        [FAKE_RUNTIME_NETWORK] = "network",
        [FAKE_RUNTIME_IMAGE_REMOVE] = "image-remove",
        [FAKE_RUNTIME_RENAME] = "rename",
    };
    size_t len = strlen(f->journal);
    if (names[c->kind] == NULL) {
        return;
    }
    int n = snprintf(f->journal + len, sizeof(f->journal) - len, "%s%s%s%s%s", len > 0 ? "; " : "",
                     names[c->kind], c->name[0] ? " " : "", c->name, ok ? "" : "!");
    assert_true(n > 0 && (size_t)n < sizeof(f->journal) - len);
}

static void answer(struct call *c, enum edge_code lost) {
    struct fake_runtime *f = c->fake;
    static const struct runtime_info info = {.os_type = "linux", .architecture = "x86_64"};
    size_t at = find(f, c->name);
    struct edge_error err = {0};
    bool canceled = c->canceled;
    c->canceled = canceled && lost == EDGE_OK;
    enum edge_code code = code_of(c, at);
    bool ok = code == EDGE_OK;

    if (ok) {
        perform(c, at);
    }
    journal(f, c, ok);
    if (lost != EDGE_OK) {
        ok = false;
        code = canceled ? EDGE_CANCELED : lost;
    }
    if (!ok) {
        edge_set(&err, code, "failed by the test");
    }
    switch (c->kind) {
    case FAKE_RUNTIME_LIST:
        c->done.containers(c->data, code, ok ? f->containers : NULL, ok ? f->cnt : 0, &err);
        break;
    case FAKE_RUNTIME_MODULES:
        answer_modules(c, code, SIZE_MAX, &err);
        break;
    case FAKE_RUNTIME_INSPECT_MODULE:
        answer_modules(c, code, at, &err);
        break;
    case FAKE_RUNTIME_INSPECT:
        c->done.containers(c->data, code, ok ? &f->containers[at] : NULL, ok ? 1 : 0, &err);
        break;
    case FAKE_RUNTIME_TOP:
        c->done.pids(c->data, code, ok ? f->extras[at].pids : NULL, ok ? f->extras[at].cnt : 0,
                     &err);
        break;
    case FAKE_RUNTIME_INFO:
        c->done.info(c->data, code, ok ? &info : NULL, &err);
        break;
    case FAKE_RUNTIME_STATS:
        c->done.json(c->data, code, ok ? SLICE_LIT("{\"read\":\"now\"}") : (struct slice){0}, &err);
        break;
    case FAKE_RUNTIME_LOGS:
        c->stream.on_done(c->data, code, &err);
        break;
    default:
        c->done.plain(c->data, code, ok ? NULL : &err);
        break;
    }
}

static bool opens_stream(const struct call *c) {
    return c->kind == FAKE_RUNTIME_LOGS && code_of(c, find(c->fake, c->name)) == EDGE_OK;
}

static struct call *nth_call(struct fake_runtime *f, unsigned n) {
    list_for_each (node, tmp, &f->calls) {
        if (n-- == 0) {
            return LIST_ENTRY(node, struct call, node);
        }
    }
    return NULL;
}

bool fake_runtime_step_nth(struct fake_runtime *f, unsigned n, enum edge_code lost) {
    struct call *c = nth_call(f, n);
    if (c == NULL) {
        return false;
    }
    list_remove(&c->node);
    f->open--;
    if (opens_stream(c)) {
        journal(f, c, true);
        list_append(&f->streams, &c->node);
        if (c->stream.on_open != NULL) {
            c->stream.on_open(c->data, 200);
        }
        return true;
    }
    op_remove(loop_ops(f->loop), c->op);
    answer(c, lost);
    call_free(c);
    return true;
}

bool fake_runtime_step(struct fake_runtime *f) {
    return fake_runtime_step_nth(f, 0, EDGE_OK);
}

void fake_runtime_run(struct fake_runtime *f) {
    while (fake_runtime_step(f)) {
    }
}

static struct call *oldest_stream(const struct fake_runtime *f) {
    assert_false(list_is_empty(&f->streams));
    return LIST_ENTRY(f->streams.next, struct call, node);
}

bool fake_runtime_logs_feed(struct fake_runtime *f, struct slice bytes) {
    struct call *c = oldest_stream(f);
    return c->stream.on_data(c->data, bytes);
}

void fake_runtime_logs_end(struct fake_runtime *f, enum edge_code code) {
    struct call *c = oldest_stream(f);
    struct edge_error err = {0};

    list_remove(&c->node);
    op_remove(loop_ops(f->loop), c->op);
    code = c->canceled ? EDGE_CANCELED : code;
    if (code != EDGE_OK) {
        edge_set(&err, code, "ended by the test");
    }
    c->stream.on_done(c->data, code, code != EDGE_OK ? &err : NULL);
    call_free(c);
}

unsigned fake_runtime_logs_resumed(const struct fake_runtime *f) {
    return f->resumed;
}

const char *fake_runtime_journal(const struct fake_runtime *f) {
    return f->journal;
}

void fake_runtime_journal_clear(struct fake_runtime *f) {
    f->journal[0] = '\0';
}

const char *fake_runtime_last_body(const struct fake_runtime *f) {
    return f->last_body;
}

const char *fake_runtime_last_auth(const struct fake_runtime *f) {
    return f->last_auth;
}

int fake_runtime_last_timeout_s(const struct fake_runtime *f) {
    return f->last_timeout_s;
}

const struct runtime_logs_options *fake_runtime_last_logs(const struct fake_runtime *f) {
    return &f->last_logs;
}

unsigned fake_runtime_open(const struct fake_runtime *f) {
    return f->open;
}

unsigned fake_runtime_inspects(const struct fake_runtime *f) {
    return f->inspects;
}

unsigned fake_runtime_tops(const struct fake_runtime *f) {
    return f->tops;
}
