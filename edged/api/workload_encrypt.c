/* SPDX-License-Identifier: MIT */
/*
 * Encryption and decryption for modules. Small messages are worked on at once; large ones
 * go to the HSM worker; those that come before the master key is open wait for it.
 */
#include "api/api.h"
#include "api/api_error.h"
#include "base/b64.h"
#include "base/json.h"
#include "http/http_reply.h"
#include "identity/module_crypt.h"

#define ANSWER_ROOM 64 /* bytes of JSON around the base64 */

/* One direction: what it is called in requests and answers. */
struct direction {
    enum module_crypt_way way;
    const char *from;
    const char *to;
    const char *failed;
};

static const struct direction encryption = {MODULE_CRYPT_ENCRYPT, "plaintext", "ciphertext",
                                            "Could not encrypt"};
static const struct direction decryption = {MODULE_CRYPT_DECRYPT, "ciphertext", "plaintext",
                                            "Could not decrypt"};

struct crypt_request {
    struct slice text; /* base64, as it came */
    struct buf iv;
};

static void reply_with(struct http_exchange *x, const struct direction *dir, struct slice content,
                       bool is_base64) {
    struct edge_error err;
    struct buf out;
    struct json_writer w;

    buf_init_sensitive(&out, B64_LEN(content.len) + ANSWER_ROOM);
    json_begin(&w, &out);
    json_object_open(&w, NULL);
    if (is_base64) {
        json_add_str(&w, dir->to, content);
    } else {
        json_add_b64(&w, dir->to, content.ptr, content.len);
    }
    json_object_close(&w);
    if (json_end(&w, &err) == EDGE_OK) {
        http_reply_json(x, 200, &out);
    } else {
        api_error_workload(x, dir->failed, &err);
    }
    buf_clear(&out);
}

/* A text that does not decrypt will never do: that is the request's fault, so that clients do not
 * try again. */
static void reply_failure(struct http_exchange *x, const struct direction *dir,
                          const struct edge_error *err) {
    struct edge_error own = *err;
    if (own.code == EDGE_PARSE) {
        api_error_malformed(x, err);
        return;
    }
    if (own.code == EDGE_DENIED) {
        own.code = EDGE_INVALID;
    }
    api_error_workload(x, dir->failed, &own);
}

/* --- Large messages --- */

static void on_text(void *data, enum edge_code code, const struct buf *out,
                    const struct edge_error *err) {
    struct api_pending *pending = data;
    const struct direction *dir = pending->about;
    struct http_exchange *x = api_pending_take(pending);
    if (x != NULL && code == EDGE_OK) {
        reply_with(x, dir, buf_slice(out), true);
    } else if (x != NULL) {
        reply_failure(x, dir, err);
    }
}

static void crypt_later(struct http_exchange *x, const struct direction *dir,
                        const struct module_crypt_id *id, const struct crypt_request *req) {
    struct edge_error err;
    struct op op;
    struct api_pending *pending = api_pending_new(x, dir);
    if (pending == NULL) {
        return;
    }
    if (module_crypt_later(api_of(x)->crypt, dir->way, id, buf_slice(&req->iv), req->text, on_text,
                           pending, &op, &err) == EDGE_OK) {
        http_exchange_set_op(x, op);
    } else {
        (void)api_pending_take(pending);
        reply_failure(x, dir, &err);
    }
}

/* --- Small messages --- */

static void crypt_now(struct http_exchange *x, const struct direction *dir,
                      const struct module_crypt_id *id, const struct crypt_request *req) {
    struct edge_error err;
    struct buf in, out;
    struct module_crypt *c = api_of(x)->crypt;
    const struct slice iv = buf_slice(&req->iv);

    buf_init_sensitive(&in, req->text.len + 1);
    buf_init_sensitive(&out, MODULE_CRYPT_LEN_MAX);
    enum edge_code code = b64_decode(req->text, &in, &err);
    if (code == EDGE_OK) {
        code = dir->way == MODULE_CRYPT_ENCRYPT
                   ? module_crypt_encrypt(c, id, iv, buf_slice(&in), &out, &err)
                   : module_crypt_decrypt(c, id, iv, buf_slice(&in), &out, &err);
    }
    if (code == EDGE_OK) {
        reply_with(x, dir, buf_slice(&out), false);
    } else {
        reply_failure(x, dir, &err);
    }
    buf_clear(&in);
    buf_clear(&out);
}

/* --- The request --- */

/* *ret_root: what the text points into, if not into the body. */
static enum edge_code decode(struct slice body, const struct direction *dir,
                             struct crypt_request *req, struct cJSON **ret_root,
                             struct edge_error *err) {
    struct json_view views[] = {{.name = dir->from}, {.name = "initializationVector"}};
    enum edge_code code =
        json_parse_views(body, API_NODES_MAX, views, EDGE_ARRAY_LEN(views), ret_root, err);
    req->text = views[0].value;
    return code == EDGE_OK ? b64_decode(views[1].value, &req->iv, err) : code;
}

static void open_first(struct http_exchange *x, const struct direction *dir);

static void serve(struct http_exchange *x, const struct direction *dir) {
    struct edge_error err;
    struct crypt_request req = {0};
    struct cJSON *root EDGE_CLEANUP(json_cleanup_sensitive) = NULL;
    struct slice body = http_exchange_body(x);

    buf_init_sensitive(&req.iv, body.len + 1);
    enum edge_code code = decode(body, dir, &req, &root, &err);
    const struct module_crypt_id id = {http_exchange_param(x, 0), http_exchange_param(x, 1)};
    if (code != EDGE_OK) {
        api_error_malformed(x, &err);
    } else if (!module_crypt_is_open(api_of(x)->crypt)) {
        open_first(x, dir);
    } else if (req.text.len <= B64_LEN(MODULE_CRYPT_AT_ONCE_MAX)) {
        crypt_now(x, dir, &id, &req);
    } else {
        crypt_later(x, dir, &id, &req);
    }
    buf_clear(&req.iv);
}

/* The body lies with the exchange until it is answered, so the request is simply read again. What
 * the key store says of itself must not pass for an answer about it. */
static void on_open(void *data, enum edge_code code, const struct edge_error *err) {
    struct api_pending *pending = data;
    const struct direction *dir = pending->about;
    struct http_exchange *x = api_pending_take(pending);
    if (x != NULL && code == EDGE_OK) {
        serve(x, dir);
    } else if (x != NULL) {
        api_error_key_store(x, dir->failed, err);
    }
}

static void open_first(struct http_exchange *x, const struct direction *dir) {
    struct edge_error err;
    struct op op;
    struct api_pending *pending = api_pending_new(x, dir);
    if (pending == NULL) {
        return;
    }
    if (module_crypt_open(api_of(x)->crypt, on_open, pending, &op, &err) == EDGE_OK) {
        http_exchange_set_op(x, op);
    } else {
        (void)api_pending_take(pending);
        api_error_key_store(x, dir->failed, &err);
    }
}

void workload_encrypt(struct http_exchange *x) {
    serve(x, &encryption);
}

void workload_decrypt(struct http_exchange *x) {
    serve(x, &decryption);
}
