/* SPDX-License-Identifier: MIT */
#include "support/fake_device_cert.h"

#include <stdlib.h>

struct get {
    struct device_cert *dc;
    struct op op;
    bool is_canceled;
    device_cert_fn *done;
    void *data;
};

static void on_cancel(void *data) {
    ((struct get *)data)->is_canceled = true;
}

static void answer(void *data) {
    struct get g = *(struct get *)data;
    struct device_cert *dc = g.dc;
    struct edge_error err = {0};
    free(data);
    op_remove(loop_ops(dc->loop), g.op);
    enum edge_code code = g.is_canceled ? EDGE_CANCELED : dc->fail;
    if (code != EDGE_OK) {
        (void)edge_set(&err, code, "scripted certificate failure");
        g.done(g.data, code, NULL, &err);
        return;
    }
    const struct device_cert_view view = {.cert_pem = slice_str(dc->cert_pem),
                                          .key_pem = slice_str(dc->key_pem),
                                          .common_name =
                                              dc->common_name != NULL ? dc->common_name : "",
                                          .version = dc->version};
    g.done(g.data, EDGE_OK, &view, NULL);
}

enum edge_code device_cert_get(struct device_cert *dc, device_cert_fn *done, void *data,
                               struct op *ret_op, struct edge_error *err) {
    struct get *g = calloc(1, sizeof(*g));
    if (g == NULL) {
        return edge_set(err, EDGE_NOMEM, "fake certificate");
    }
    *g = (struct get){.dc = dc, .done = done, .data = data};
    dc->get_cnt++;
    if (dc->on_get != NULL) {
        dc->on_get(dc);
    }
    enum edge_code code = op_add(loop_ops(dc->loop), on_cancel, g, &g->op, err);
    if (code == EDGE_OK) {
        code = loop_post(dc->loop, answer, g, err);
        if (code != EDGE_OK) {
            op_remove(loop_ops(dc->loop), g->op);
        }
    }
    if (code != EDGE_OK) {
        free(g);
        return code;
    }
    if (ret_op != NULL) {
        *ret_op = g->op;
    }
    return EDGE_OK;
}

/* Weak: other fakes say themselves what making and freeing means. */
__attribute__((weak)) struct device_cert *device_cert_keep(struct device_cert *dc) {
    if (dc != NULL) {
        dc->kept++;
    }
    return dc;
}

__attribute__((weak)) void device_cert_free(struct device_cert *dc) {
    if (dc != NULL) {
        dc->kept--;
    }
}
