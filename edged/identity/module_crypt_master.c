/* SPDX-License-Identifier: MIT */
#include "identity/module_crypt_master.h"

#include "base/legacy_files.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

static void note(struct module_crypt_master *m, const char *what, const char *detail) {
    size_t used = strlen(m->note);
    (void)snprintf(m->note + used, sizeof(m->note) - used, "%s%s%s", used > 0 ? "; " : "", what,
                   detail);
}

/* A record that is whole but of another length was not written by us. */
static enum edge_code get(struct hsm *h, const char *name, struct secret *ret,
                          struct edge_error *err) {
    enum edge_code code = hsm_record_get(h, name, ret, err);
    if (code == EDGE_OK && ret->len != AEAD_KEY_LEN) {
        code = edge_set(err, EDGE_HSM, "the record '%s' has %zu bytes instead of %d", name,
                        ret->len, AEAD_KEY_LEN);
        secret_clear(ret);
    }
    return code;
}

/* Puts the key there and compares what can be read. */
static enum edge_code put(struct hsm *h, const char *name, const struct secret *key,
                          struct edge_error *err) {
    struct secret have SECRET_CLEANUP = {0};
    enum edge_code code = hsm_record_put(h, name, key, err);
    if (code == EDGE_OK) {
        code = get(h, name, &have, err);
    }
    if (code == EDGE_OK && !secret_equal(&have, key)) {
        code = edge_set(err, EDGE_HSM, "the record '%s' does not hold what was put there", name);
    }
    return code;
}

/* The file of 1.1, if it can be used. */
static enum edge_code read_file(const char *homedir, struct module_crypt_master *m,
                                struct secret *ret, struct edge_error *err) {
    struct edge_error why = {0};
    enum edge_code code = legacy_files_master(homedir, ret, &why);
    if (code == EDGE_NOMEM || code == EDGE_IO) {
        if (err != NULL) {
            *err = why;
        }
        return code;
    }
    if (code != EDGE_OK && code != EDGE_NOT_FOUND) {
        note(m, "the master key of release 1.1 is not taken over: ", edge_error_text(&why));
    }
    return EDGE_OK;
}

static enum edge_code make(struct hsm *h, const struct secret *file, struct module_crypt_master *m,
                           struct edge_error *err) {
    enum edge_code code;
    if (file->len > 0) {
        code = secret_copy(&m->keys.master, file->data, file->len, err);
        note(m, "took over the master key of release 1.1", "");
    } else {
        code = secret_alloc(&m->keys.master, AEAD_KEY_LEN, err);
        if (code == EDGE_OK) {
            code = hsm_random(h, m->keys.master.data, m->keys.master.len, err);
        }
        note(m, "made a new master key", "");
    }
    return code == EDGE_OK ? put(h, MODULE_CRYPT_RECORD, &m->keys.master, err) : code;
}

/* There is a master key of ours; the file may hold another. */
static enum edge_code add_former(struct hsm *h, const struct secret *file,
                                 struct module_crypt_master *m, struct edge_error *err) {
    enum edge_code code = get(h, MODULE_CRYPT_FORMER, &m->keys.former, err);
    if (code == EDGE_PARSE) {
        note(m, edge_error_text(err), "");
        log_error(
            "The second key that modules decrypt with is damaged: %s; %s", edge_error_text(err),
            file->len > 0 ? "release 1.1's file has it, or another one"
                          : "what was encrypted under it, by release 1.1 or before it, is lost "
                            "unless that file is mended");
    }
    if (code != EDGE_OK && code != EDGE_NOT_FOUND && code != EDGE_PARSE) {
        return code;
    }
    if (file->len == 0 || secret_equal(file, &m->keys.master) ||
        secret_equal(file, &m->keys.former)) {
        return EDGE_OK;
    }
    if (m->keys.former.len > 0) {
        note(m, "release 1.1 left a third master key, which is not used", "");
        return EDGE_OK;
    }
    code = put(h, MODULE_CRYPT_FORMER, file, err);
    if (code == EDGE_OK) {
        code = secret_copy(&m->keys.former, file->data, file->len, err);
        note(m, "took over the master key of release 1.1 as a second one", "");
    }
    return code;
}

/* At once: the record has been moved, and nothing speaks of it any more when what follows fails. */
static void tell_loss(const struct secret *file, const struct edge_error *why) {
    log_error("The key that modules encrypt with is damaged: %s; %s", edge_error_text(why),
              file->len > 0
                  ? "that of release 1.1 takes its place: what was encrypted under another "
                    "one is lost unless that file is mended"
                  : "a new one takes its place: what modules have encrypted so far, such "
                    "as the secrets that edgeAgent and edgeHub keep, is lost unless that "
                    "file is mended");
}

static enum edge_code open_keys(struct hsm *h, const char *homedir, struct module_crypt_master *m,
                                struct edge_error *err) {
    struct secret file SECRET_CLEANUP = {0};
    struct edge_error why = {0};
    enum edge_code code = read_file(homedir, m, &file, err);
    if (code != EDGE_OK) {
        return code;
    }
    code = get(h, MODULE_CRYPT_RECORD, &m->keys.master, &why);
    if (code == EDGE_PARSE) {
        note(m, "what modules had encrypted is lost unless release 1.1's key is there: ",
             edge_error_text(&why));
        tell_loss(&file, &why);
    }
    if (code == EDGE_NOT_FOUND || code == EDGE_PARSE) {
        code = make(h, &file, m, &why);
    }
    if (code == EDGE_OK) {
        code = add_former(h, &file, m, &why);
    }
    if (code != EDGE_OK && err != NULL) {
        *err = why;
    }
    return code;
}

enum edge_code module_crypt_master_open(struct hsm *h, const char *homedir,
                                        struct module_crypt_master *ret, struct edge_error *err) {
    struct module_crypt_master m = {.note = ""};
    enum edge_code code = open_keys(h, homedir, &m, err);
    if (code != EDGE_OK) {
        module_crypt_keys_clear(&m.keys);
        return edge_wrap(err, code, "opening the master key of module encryption");
    }
    *ret = m;
    return EDGE_OK;
}
