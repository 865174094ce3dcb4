/* SPDX-License-Identifier: MIT */
/*
 * Lists of modules under way. The Engine's list knows neither times nor exit codes, and names an
 * image by its id once the name has moved on; so containers are inspected as well. Whatever ends
 * a list early, its calls are waited for: their callbacks lead back here.
 */
#include "runtime/docker_modules.h"

#include "base/json.h"
#include "base/list.h"
#include "base/log.h"
#include "runtime/docker_details.h"
#include "runtime/docker_modules_json.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct listing;

struct inspection {
    struct listing *listing;
    size_t index;
    struct op op; /* set while it is under way */
    bool busy;
    bool void_already; /* something happened to the container meanwhile */
    char listed_state[RUNTIME_STATE_MAX + 1];
};

struct listing {
    struct list node;
    struct docker_modules *owner;
    struct op self;
    struct op list_op;
    char *path;
    bool thinned_out;
    struct cJSON *root;
    struct runtime_module *modules;
    size_t cnt;
    size_t next; /* to be inspected */
    unsigned busy_cnt;
    struct inspection inspections[DOCKER_MODULES_INSPECTS];
    enum edge_code code;
    struct edge_error err;
    runtime_modules_fn *done;
    void *data;
};

struct docker_modules {
    struct loop *loop;
    struct docker_engine *engine;
    struct docker_details *details;
    struct list active;
    struct list waiting;
    bool thins_out; /* the lists of this engine are too long otherwise */
    unsigned active_cnt;
    unsigned waiting_cnt;
};

static void listing_free(struct listing *l) {
    free(l->path);
    free(l->modules);
    json_free(l->root);
    free(l);
}

static void fail(struct listing *l, enum edge_code code, const struct edge_error *err) {
    if (l->code != EDGE_OK) {
        return;
    }
    l->code = code;
    if (err != NULL) {
        l->err = *err;
    } else {
        (void)edge_set(&l->err, code, "the list of modules failed");
    }
    for (size_t i = 0; i < DOCKER_MODULES_INSPECTS; i++) {
        if (l->inspections[i].busy) {
            op_cancel(loop_ops(l->owner->loop), l->inspections[i].op);
        }
    }
}

/* What vanished meanwhile, and what has no image that could be told, is not there. */
static size_t drop_holes(struct runtime_module *list, size_t cnt) {
    size_t kept = 0;
    for (size_t i = 0; i < cnt; i++) {
        if (list[i].id[0] != '\0' && list[i].image[0] != '\0') {
            if (kept != i) {
                list[kept] = list[i];
            }
            kept++;
        }
    }
    return kept;
}

static void start_waiting(struct docker_modules *m);

static void finish(struct listing *l) {
    struct docker_modules *m = l->owner;
    list_remove(&l->node);
    m->active_cnt--;
    op_remove(loop_ops(m->loop), l->self);
    if (l->code == EDGE_OK) {
        l->done(l->data, EDGE_OK, l->modules, drop_holes(l->modules, l->cnt), NULL);
    } else {
        l->done(l->data, l->code, NULL, 0, &l->err);
    }
    listing_free(l);
    start_waiting(m);
}

static void inspect_more(struct listing *l);

/* Whether this is about the one container, such as one whose layers the Engine has lost, and not
 * about the Engine. The list has enough of it for edgeAgent to remove it. */
static bool is_of_one(enum edge_code code) {
    return code == EDGE_REMOTE || code == EDGE_PROTO || code == EDGE_PARSE || code == EDGE_RANGE;
}

static void on_inspect(void *data, enum edge_code code, struct slice body,
                       const struct edge_error *err) {
    struct inspection *one = data;
    struct listing *l = one->listing;
    struct runtime_module *module = &l->modules[one->index];
    struct edge_error own_err = {0};

    one->busy = false;
    l->busy_cnt--;
    if (code == EDGE_OK) {
        code = docker_modules_json_detail(body, module, &own_err);
        err = &own_err;
    }
    if (code == EDGE_NOT_FOUND) {
        log_debug("container %s vanished while modules were listed", log_quote_str(module->name));
        module->id[0] = '\0';
    } else if (is_of_one(code)) {
        log_warn("module %s is listed without its status: %s", log_quote_str(module->name),
                 edge_error_text(err));
    } else if (code != EDGE_OK) {
        fail(l, code, err);
    } else if (!one->void_already) {
        docker_details_keep(l->owner->details, module, one->listed_state);
    }
    inspect_more(l);
}

static enum edge_code inspect(struct listing *l, struct inspection *one, struct edge_error *err) {
    char path[RUNTIME_ID_LEN + 48];
    (void)snprintf(path, sizeof(path), "/containers/%s/json?size=false", l->modules[l->next].id);
    const struct docker_request req = {
        .method = "GET",
        .path = path,
        .sieve = &docker_no_labels, /* the list has them */
        .timeout_ms = DOCKER_INSPECT_TIMEOUT_MS,
        .on_done = on_inspect,
        .data = one,
    };
    one->listing = l;
    one->index = l->next;
    one->void_already = false;
    memcpy(one->listed_state, l->modules[l->next].state, sizeof(one->listed_state));
    return docker_engine_send(l->owner->engine, &req, &one->op, err);
}

static void skip_known(struct listing *l) {
    while (l->next < l->cnt && docker_details_fill(l->owner->details, &l->modules[l->next])) {
        l->next++;
    }
}

/* Fills the free places; ends the list when nothing is left to do. */
static void inspect_more(struct listing *l) {
    struct edge_error err = {0};
    for (size_t i = 0; i < DOCKER_MODULES_INSPECTS && l->code == EDGE_OK; i++) {
        struct inspection *one = &l->inspections[i];
        if (one->busy) {
            continue;
        }
        skip_known(l);
        if (l->next >= l->cnt) {
            break;
        }
        enum edge_code code = inspect(l, one, &err);
        if (code == EDGE_BUSY && l->busy_cnt > 0) {
            break; /* goes on when one of ours has ended */
        }
        if (code != EDGE_OK) {
            fail(l, code, &err);
            break;
        }
        one->busy = true;
        l->busy_cnt++;
        l->next++;
    }
    if (l->busy_cnt == 0) {
        finish(l);
    }
}

static enum edge_code start(struct listing *l, struct edge_error *err);

/* What containers have from their images may be megabytes, or values without number; nobody here
 * needs it. */
static bool starts_again(struct listing *l, enum edge_code code) {
    if (code != EDGE_RANGE || l->thinned_out || l->code != EDGE_OK) {
        return false;
    }
    if (!l->owner->thins_out) {
        log_warn("The container engine's list of modules is too long to be read (%zu bytes are "
                 "possible): labels that are not edgeAgent's are left out of lists of modules from "
                 "now on",
                 DOCKER_ANSWER_MAX);
        l->owner->thins_out = true;
    }
    return start(l, NULL) == EDGE_OK;
}

static void on_list(void *data, enum edge_code code, struct slice body,
                    const struct edge_error *err) {
    struct listing *l = data;
    struct edge_error own_err = {0};

    l->list_op = OP_NONE;
    if (code == EDGE_OK && l->code == EDGE_OK) {
        code = docker_modules_json_list(body, &l->root, &l->modules, &l->cnt, &own_err);
        err = &own_err;
    }
    if (starts_again(l, code)) {
        return;
    }
    if (code != EDGE_OK) {
        fail(l, code, err);
    }
    inspect_more(l);
}

static enum edge_code start(struct listing *l, struct edge_error *err) {
    l->thinned_out = l->owner->thins_out;
    const struct docker_request req = {
        .method = "GET",
        .path = l->path,
        .sieve = l->thinned_out ? &docker_edge_labels : NULL,
        .timeout_ms = DOCKER_CONTROL_TIMEOUT_MS,
        .on_done = on_list,
        .data = l,
    };
    return docker_engine_send(l->owner->engine, &req, &l->list_op, err);
}

/* Called when one has ended, and so never inside the call that asked for those that wait. */
static void start_waiting(struct docker_modules *m) {
    while (m->active_cnt < DOCKER_MODULES_LISTS && !list_is_empty(&m->waiting)) {
        struct listing *l = LIST_ENTRY(m->waiting.next, struct listing, node);
        struct edge_error err = {0};
        list_remove(&l->node);
        m->waiting_cnt--;
        list_append(&m->active, &l->node);
        m->active_cnt++;
        enum edge_code code = l->code == EDGE_OK ? start(l, &err) : l->code;
        if (code != EDGE_OK) {
            fail(l, code, &err);
            finish(l); /* comes back here, one level deeper for each that cannot start */
            return;
        }
    }
}

/* One that waits ends when its turn comes. */
static void cancel(void *data) {
    struct listing *l = data;
    struct edge_error err = {0};
    enum edge_code code = edge_set(&err, EDGE_CANCELED, "the list of modules was cancelled");
    fail(l, code, &err);
    op_cancel(loop_ops(l->owner->loop), l->list_op);
}

static enum edge_code listing_new(struct docker_modules *m, const char *path, struct listing **ret,
                                  struct edge_error *err) {
    struct listing *l = calloc(1, sizeof(*l));
    if (l == NULL || (l->path = strdup(path)) == NULL) {
        free(l);
        return edge_set(err, EDGE_NOMEM, "out of memory for a list of modules");
    }
    l->owner = m;
    enum edge_code code = op_add(loop_ops(m->loop), cancel, l, &l->self, err);
    if (code != EDGE_OK) {
        listing_free(l);
        return code;
    }
    *ret = l;
    return EDGE_OK;
}

enum edge_code docker_modules_list(struct docker_modules *m, const char *list_path,
                                   runtime_modules_fn *done, void *data, struct op *ret_op,
                                   struct edge_error *err) {
    struct listing *l = NULL;

    bool waits = m->active_cnt >= DOCKER_MODULES_LISTS;
    if (waits && m->waiting_cnt >= DOCKER_MODULES_WAITING) {
        return edge_set(err, EDGE_BUSY, "too many lists of modules at once");
    }
    enum edge_code code = listing_new(m, list_path, &l, err);
    if (code != EDGE_OK) {
        return code;
    }
    l->done = done;
    l->data = data;
    code = waits ? EDGE_OK : start(l, err);
    if (code != EDGE_OK) {
        op_remove(loop_ops(m->loop), l->self);
        listing_free(l);
        return code;
    }
    list_append(waits ? &m->waiting : &m->active, &l->node);
    m->active_cnt += waits ? 0 : 1;
    m->waiting_cnt += waits ? 1 : 0;
    if (ret_op != NULL) {
        *ret_op = l->self;
    }
    return EDGE_OK;
}

enum edge_code docker_modules_new(struct loop *l, struct docker_engine *e,
                                  struct docker_modules **ret, struct edge_error *err) {
    struct docker_modules *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the container engine's client");
    }
    m->loop = l;
    m->engine = e;
    enum edge_code code = docker_details_new(&m->details, err);
    if (code != EDGE_OK) {
        free(m);
        return code;
    }
    list_init(&m->active);
    list_init(&m->waiting);
    *ret = m;
    return EDGE_OK;
}

static void void_inspections(struct listing *l, const char *id) {
    for (size_t i = 0; i < DOCKER_MODULES_INSPECTS; i++) {
        struct inspection *one = &l->inspections[i];
        if (one->busy && (id == NULL || strcmp(l->modules[one->index].id, id) == 0)) {
            one->void_already = true;
        }
    }
}

void docker_modules_event(struct docker_modules *m, enum runtime_event event, const char *id) {
    docker_details_event(m->details, event, id);
    list_for_each (node, next, &m->active) {
        void_inspections(LIST_ENTRY(node, struct listing, node), id);
    }
}

void docker_modules_free(struct docker_modules *m) {
    if (m != NULL) {
        assert(list_is_empty(&m->active) && list_is_empty(&m->waiting));
        docker_details_free(m->details);
        free(m);
    }
}
