/* SPDX-License-Identifier: MIT */
/*
 * See fake_module_crypt.h.
 */
#include "fake_module_crypt.h"

#include "base/b64.h"

#include <assert.h>
#include <string.h>

struct module_crypt {
    bool is_open;
    enum edge_code refuse;
    module_crypt_done_fn *opened; /* of these one is set while something waits */
    module_crypt_text_fn *done;
    void *data;
    enum module_crypt_way way;
    char module[MODULE_CRYPT_ID_MAX + 1];
    char generation[MODULE_CRYPT_ID_MAX + 1];
    uint8_t iv[MODULE_CRYPT_IV_MAX];
    size_t iv_len;
    struct buf text;
    const char *note;
};

static struct module_crypt fake;

struct module_crypt *fake_module_crypt(void) {
    buf_clear(&fake.text);
    memset(&fake, 0, sizeof(fake));
    fake.is_open = true;
    fake.note = "";
    return &fake;
}

void fake_module_crypt_set_open(bool is_open) {
    fake.is_open = is_open;
}

void fake_module_crypt_refuse(enum edge_code code) {
    fake.refuse = code;
}

bool fake_module_crypt_is_waiting(void) {
    return fake.done != NULL || fake.opened != NULL;
}

static enum edge_code check(const struct module_crypt_id *id, struct slice iv, struct slice text,
                            struct edge_error *err) {
    if (fake.refuse != EDGE_OK) {
        return edge_set(err, fake.refuse, "secret details of the key store");
    }
    if (id->module.len == 0 || id->module.len > MODULE_CRYPT_ID_MAX ||
        id->generation.len > MODULE_CRYPT_ID_MAX || iv.len == 0 || iv.len > MODULE_CRYPT_IV_MAX ||
        text.len == 0 || text.len > MODULE_CRYPT_LEN_MAX) {
        return edge_set(err, EDGE_INVALID, "empty or too long");
    }
    return EDGE_OK;
}

static enum edge_code head(const struct module_crypt_id *id, struct slice iv, struct buf *out,
                           struct edge_error *err) {
    enum edge_code code =
        buf_printf(out, err, "%.*s|%.*s|", SLICE_ARG(id->module), SLICE_ARG(id->generation));
    if (code == EDGE_OK) {
        code = hex_encode(iv.ptr, iv.len, out, err);
    }
    if (code == EDGE_OK) {
        code = buf_append_byte(out, '|', err);
    }
    return code;
}

static enum edge_code decrypt(const struct module_crypt_id *id, struct slice iv, struct slice blob,
                              struct buf *out, struct edge_error *err) {
    struct buf want;
    buf_init(&want, 1024);
    enum edge_code code = head(id, iv, &want, err);
    if (code == EDGE_OK && (blob.len <= want.len || memcmp(blob.ptr, want.data, want.len) != 0)) {
        code = edge_set(err, EDGE_DENIED, "not made for this module");
    }
    if (code == EDGE_OK) {
        code = buf_append(out, blob.ptr + want.len, blob.len - want.len, err);
    }
    buf_clear(&want);
    return code;
}

enum edge_code module_crypt_encrypt(struct module_crypt *c, const struct module_crypt_id *id,
                                    struct slice iv, struct slice plain, struct buf *out,
                                    struct edge_error *err) {
    assert(c == &fake && c->is_open && plain.len <= MODULE_CRYPT_AT_ONCE_MAX);
    enum edge_code code = check(id, iv, plain, err);
    if (code == EDGE_OK) {
        code = head(id, iv, out, err);
    }
    if (code == EDGE_OK) {
        code = buf_append_slice(out, plain, err);
    }
    return code;
}

enum edge_code module_crypt_decrypt(struct module_crypt *c, const struct module_crypt_id *id,
                                    struct slice iv, struct slice blob, struct buf *out,
                                    struct edge_error *err) {
    assert(c == &fake && c->is_open && blob.len <= MODULE_CRYPT_AT_ONCE_MAX);
    enum edge_code code = check(id, iv, blob, err);
    return code == EDGE_OK ? decrypt(id, iv, blob, out, err) : code;
}

enum edge_code module_crypt_later(struct module_crypt *c, enum module_crypt_way way,
                                  const struct module_crypt_id *id, struct slice iv,
                                  struct slice text, module_crypt_text_fn *done, void *data,
                                  struct op *ret_op, struct edge_error *err) {
    assert(c == &fake && !fake_module_crypt_is_waiting());
    enum edge_code code = check(id, iv, slice_make(text.ptr, text.len / 4 * 3), err);
    if (code != EDGE_OK) {
        return code;
    }
    buf_init_sensitive(&c->text, text.len);
    if (buf_append_slice(&c->text, text, err) != EDGE_OK) {
        return EDGE_NOMEM;
    }
    c->done = done;
    c->data = data;
    c->way = way;
    c->iv_len = iv.len;
    memcpy(c->iv, iv.ptr, iv.len);
    *ret_op = (struct op){6, 1};
    return slice_to_array(id->module, c->module, sizeof(c->module)) &&
                   slice_to_array(id->generation, c->generation, sizeof(c->generation))
               ? EDGE_OK
               : EDGE_INTERNAL;
}

enum edge_code module_crypt_open(struct module_crypt *c, module_crypt_done_fn *done, void *data,
                                 struct op *ret_op, struct edge_error *err) {
    assert(c == &fake && !fake_module_crypt_is_waiting());
    if (c->refuse != EDGE_OK) {
        return edge_set(err, c->refuse, "secret details of the key store");
    }
    c->opened = done;
    c->data = data;
    if (ret_op != NULL) {
        *ret_op = (struct op){5, 1};
    }
    return EDGE_OK;
}

static enum edge_code work(struct buf *out, struct edge_error *err) {
    const struct module_crypt_id id = {slice_str(fake.module), slice_str(fake.generation)};
    const struct slice iv = slice_make(fake.iv, fake.iv_len);
    struct buf in, done;

    buf_init_sensitive(&in, MODULE_CRYPT_LEN_MAX);
    buf_init_sensitive(&done, 2 * MODULE_CRYPT_LEN_MAX);
    enum edge_code code = b64_decode(buf_slice(&fake.text), &in, err);
    if (code == EDGE_OK && fake.way == MODULE_CRYPT_DECRYPT) {
        code = decrypt(&id, iv, buf_slice(&in), &done, err);
    } else if (code == EDGE_OK) {
        code = head(&id, iv, &done, err);
        if (code == EDGE_OK) {
            code = buf_append_slice(&done, buf_slice(&in), err);
        }
    }
    if (code == EDGE_OK) {
        code = b64_encode(done.data, done.len, out, err);
    }
    buf_clear(&in);
    buf_clear(&done);
    return code;
}

void fake_module_crypt_finish(enum edge_code code) {
    struct edge_error err = {0};
    struct buf out;
    module_crypt_done_fn *opened = fake.opened;
    module_crypt_text_fn *done = fake.done;

    assert(fake_module_crypt_is_waiting());
    fake.opened = NULL;
    fake.done = NULL;
    if (code != EDGE_OK) {
        (void)edge_set(&err, code, "secret details of the key store");
    }
    if (opened != NULL) {
        fake.is_open = fake.is_open || code == EDGE_OK;
        opened(fake.data, code, &err);
        return;
    }
    buf_init_sensitive(&out, 4 * MODULE_CRYPT_LEN_MAX);
    if (code == EDGE_OK) {
        code = work(&out, &err);
    }
    buf_clear(&fake.text);
    done(fake.data, code, code == EDGE_OK ? &out : NULL, &err);
    buf_clear(&out);
}

bool module_crypt_is_open(const struct module_crypt *c) {
    return c->is_open;
}

void module_crypt_forget(struct module_crypt *c) {
    c->is_open = false;
}

void fake_module_crypt_set_note(const char *note) {
    fake.note = note;
}

const char *module_crypt_note(const struct module_crypt *c) {
    return c->note;
}
