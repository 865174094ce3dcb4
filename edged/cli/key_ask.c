/* SPDX-License-Identifier: MIT */
/*
 * One body for both requests; the answer says nothing that the commands do not know.
 */
#include "cli/key_ask.h"

#include "base/json.h"
#include "cli/ask.h"

enum edge_code key_ask(const struct edge_config *cfg, const struct key_target *t,
                       const struct secret *key, struct edge_error *err) {
    struct buf body, answer;
    struct json_writer w;
    buf_init_sensitive(&body, 4096);
    buf_init_sensitive(&answer, ASK_ANSWER_MAX);
    json_begin(&w, &body);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "target", t->text);
    if (key != NULL) {
        json_add_b64(&w, "key", key->data, key->len);
    }
    json_object_close(&w);
    enum edge_code code = json_end(&w, err);
    if (code == EDGE_OK) {
        const struct ask_request req = {.method = key != NULL ? "POST" : "DELETE",
                                        .path = "/edged/key",
                                        .body = buf_slice(&body),
                                        .sensitive = true};
        code = ask_daemon(cfg, &req, &answer, err);
    }
    buf_clear(&body);
    buf_clear(&answer);
    return code;
}
