/* SPDX-License-Identifier: MIT */
/*
 * Folder by folder, each file on its own: is it one of 1.1's, is it safe to go? The master key goes
 * last, since hybrid_id cannot be read without it.
 */
#include "provisioning/takeover_clean.h"

#include "base/fs.h"
#include "base/fs_wipe.h"
#include "base/legacy_files.h"
#include "base/secret.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define KEY_FILE_MAX   ((size_t)64 * 1024)
#define DIGEST_LEN     44 /* base64 of SHA-256 */
#define STEM_MAX       (32 + DIGEST_LEN)
#define HYBRID_KEY_LEN 49
#define HYBRID_IV_LEN  16

struct clean {
    const struct edge_config *cfg;
    const char *homedir;
    struct hsm *hsm;
    const struct takeover_clean_facts *facts;
    struct takeover_clean out;
    struct edge_error why;
};

/* One folder of 1.1 and what is done with each name in it. */
struct folder {
    const char *dir;
    /* Whether a regular file looks like one of 1.1's secrets. */
    bool (*is_ours)(const char *name, struct slice content);
    const char *wait; /* why nothing of it is removed yet, or NULL */
};

static void note(struct clean *c, const char *fmt, ...) EDGE_PRINTF(2, 3);
static void note(struct clean *c, const char *fmt, ...) {
    size_t used = strlen(c->out.note);
    size_t room = sizeof(c->out.note) - used;
    va_list args;
    if (used > 0 && room > 3) {
        memcpy(c->out.note + used, "; ", 3);
        used += 2;
        room -= 2;
    }
    va_start(args, fmt);
    (void)vsnprintf(c->out.note + used, room, fmt, args);
    va_end(args);
}

/* --- What 1.1's files look like --- */

static bool is_stem_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* "{up to 32 characters of an alias}{base64 of its SHA-256, its '=' as '_'}.key.pem" */
static bool is_key_name(const char *name) {
    struct slice s = slice_str(name);
    if (!slice_ends_with(s, LEGACY_FILES_KEY_END)) {
        return false;
    }
    s.len -= sizeof(LEGACY_FILES_KEY_END) - 1;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_stem_char(s.ptr[i])) {
            return false;
        }
    }
    return s.len >= DIGEST_LEN && s.len <= STEM_MAX && slice_ends_with(s, "_");
}

static bool is_cert_key(const char *name, struct slice content) {
    static const char end[] = "PRIVATE KEY-----";
    return is_key_name(name) && slice_starts_with(content, "-----BEGIN ") &&
           memmem(content.ptr, content.len, end, sizeof(end) - 1) != NULL;
}

static bool is_hybrid(const char *name, struct slice content) {
    if (strcmp(name, LEGACY_FILES_HYBRID_KEY) == 0) {
        return content.len == HYBRID_KEY_LEN && content.ptr[0] == 1;
    }
    return strcmp(name, LEGACY_FILES_HYBRID_IV) == 0 && content.len == HYBRID_IV_LEN;
}

static bool is_external_key(const char *name, struct slice content) {
    (void)content;
    return strcmp(name, LEGACY_FILES_EXTERNAL_KEY) == 0;
}

static bool is_master(const char *name, struct slice content) {
    return strcmp(name, LEGACY_FILES_MASTER) == 0 && content.len == LEGACY_FILES_MASTER_LEN;
}

/* --- One folder --- */

static bool is_file(const struct stat *st, const char *path) {
    struct stat other;
    return path != NULL && stat(path, &other) == 0 && other.st_dev == st->st_dev &&
           other.st_ino == st->st_ino;
}

static bool is_configured(const struct clean *c, const struct stat *st) {
    const struct edge_config *cfg = c->cfg;
    return is_file(st, cfg->device_ca_pk) || is_file(st, cfg->device_ca_cert) ||
           is_file(st, cfg->provisioning.identity_pk) ||
           is_file(st, cfg->provisioning.identity_cert);
}

static enum edge_code clean_file(struct clean *c, const struct folder *f, int fd,
                                 const char *name) {
    struct stat st;
    struct buf content;
    struct edge_error err;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || is_configured(c, &st) ||
        strcmp(name, LEGACY_FILES_EXTERNAL_CERT) == 0) {
        return EDGE_OK;
    }
    buf_init_sensitive(&content, KEY_FILE_MAX);
    enum edge_code code = fs_read(fd, name, &content, &err);
    bool ours = code == EDGE_OK && f->is_ours(name, buf_slice(&content));
    buf_clear(&content);
    if (code == EDGE_NOMEM) {
        c->why = err;
        return code;
    }
    if (!ours) {
        note(c, "'%s/%.80s' is left: %s", f->dir, name,
             code == EDGE_OK ? "it is no key of release 1.1" : edge_error_text(&err));
        return EDGE_OK;
    }
    if (f->wait != NULL) {
        c->out.is_complete = false;
        return EDGE_OK;
    }
    code = fs_wipe(fd, name, &err);
    if (code != EDGE_OK) {
        c->out.is_complete = false;
        note(c, "'%s' is left: %s", f->dir, edge_error_text(&err));
        return EDGE_OK;
    }
    c->out.removed++;
    return EDGE_OK;
}

static enum edge_code clean_names(struct clean *c, const struct folder *f, int fd) {
    struct fs_names names EDGE_CLEANUP(fs_names_clear) = {0};
    size_t rest = 0;
    struct edge_error err;
    enum edge_code code = fs_wipe_rest(fd, &rest, &err);
    c->out.removed += rest;
    if (code == EDGE_OK) {
        code = fs_list(fd, "", FS_WIPE_FILES_MAX, &names, &err);
    }
    if (code == EDGE_NOMEM) {
        c->why = err;
        return code;
    }
    if (code != EDGE_OK) {
        c->out.is_complete = false;
        note(c, "'%s' is left: %s", f->dir, edge_error_text(&err));
        return EDGE_OK;
    }
    for (size_t i = 0; code == EDGE_OK && i < names.cnt; i++) {
        code = clean_file(c, f, fd, names.list[i]);
    }
    return code;
}

static enum edge_code clean_folder(struct clean *c, const struct folder *f) {
    int fd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    struct edge_error err;
    size_t removed = c->out.removed;
    bool was_complete = c->out.is_complete;
    if (legacy_files_dir(c->homedir, f->dir, &fd, &err) != EDGE_OK) {
        return EDGE_OK; /* 1.1 made it, or there is nothing in it that we could get at */
    }
    c->out.is_complete = true;
    enum edge_code code = clean_names(c, f, fd);
    if (!c->out.is_complete && f->wait != NULL) {
        note(c, "'%s' is left until %s", f->dir, f->wait);
    }
    c->out.is_complete = c->out.is_complete && was_complete;
    if (c->out.removed > removed) {
        note(c, "removed %zu file%s of release 1.1 from '%s'", c->out.removed - removed,
             c->out.removed - removed == 1 ? "" : "s", f->dir);
    }
    return code;
}

/* --- What is safe --- */

/* Ends a look at the key store: false when it says that the key is not there. */
static enum edge_code settle(enum edge_code code, bool *ret_is_there) {
    *ret_is_there = code == EDGE_OK;
    return code == EDGE_NOT_FOUND || code == EDGE_PARSE || code == EDGE_DENIED ? EDGE_OK : code;
}

/* Whether no module needs hybrid_id. */
static enum edge_code look_at_hybrid(struct clean *c, const char **ret_wait) {
    enum config_credential credential = c->cfg->provisioning.credential;
    bool needs_root =
        (credential == CONFIG_CREDENTIAL_X509 || credential == CONFIG_CREDENTIAL_EXTERNAL) &&
        !c->facts->modules_are_ours;
    bool signs = false;
    uint8_t mac[HSM_MAC_LEN];
    enum edge_code code = EDGE_OK;
    *ret_wait = NULL;
    if (!c->facts->has_identity) {
        *ret_wait = "the device has its identity from us";
        return EDGE_OK;
    }
    if (needs_root && c->facts->legacy_root != 0) {
        code =
            hsm_identity_sign(c->hsm, c->facts->legacy_root, SLICE_LIT("takeover"), mac, &c->why);
        code = settle(code, &signs);
        secret_wipe(mac, sizeof(mac));
    }
    if (needs_root && !signs) {
        *ret_wait = "the hub has new keys of all modules";
    }
    return code;
}

static enum edge_code is_in_record(struct clean *c, const char *name, const struct secret *file,
                                   bool *ret) {
    struct secret have SECRET_CLEANUP = {0};
    bool is_there = false;
    enum edge_code code = settle(hsm_record_get(c->hsm, name, &have, &c->why), &is_there);
    *ret = *ret || (is_there && secret_equal(&have, file));
    return code;
}

static enum edge_code clean_master(struct clean *c, const char *hybrid_wait) {
    struct folder f = {LEGACY_FILES_ENC_DIR, is_master, hybrid_wait};
    struct secret file SECRET_CLEANUP = {0};
    struct edge_error err;
    bool is_safe = false;
    enum edge_code code = legacy_files_master(c->homedir, &file, &err);
    if (code == EDGE_NOMEM) {
        c->why = err;
        return code;
    }
    if (code == EDGE_OK) {
        for (size_t i = 0; code == EDGE_OK && !is_safe && i < TAKEOVER_CLEAN_MASTERS; i++) {
            code = is_in_record(c, c->facts->master_records[i], &file, &is_safe);
        }
        if (code != EDGE_OK) {
            return code;
        }
    }
    if (!is_safe) {
        f.wait = "the key store has the master key";
    }
    return clean_folder(c, &f);
}

static enum edge_code run(struct clean *c) {
    const char *chain_wait = c->facts->chain_is_safe
                                 ? NULL
                                 : "the device has a chain of its own and the time is confirmed";
    const char *identity_wait =
        c->facts->has_identity ? NULL : "the device has its identity from us";
    struct folder keys = {LEGACY_FILES_CERT_KEY_DIR, is_cert_key, chain_wait};
    struct folder hybrid = {LEGACY_FILES_HYBRID_DIR, is_hybrid, NULL};
    struct folder external = {LEGACY_FILES_EXTERNAL_DIR, is_external_key, identity_wait};
    enum edge_code code = clean_folder(c, &keys);
    if (code == EDGE_OK) {
        code = look_at_hybrid(c, &hybrid.wait);
    }
    if (code == EDGE_OK) {
        code = clean_folder(c, &hybrid);
    }
    if (code == EDGE_OK) {
        code = clean_folder(c, &external);
    }
    return code == EDGE_OK ? clean_master(c, hybrid.wait) : code;
}

enum edge_code takeover_clean_run(const struct edge_config *cfg, const char *homedir, struct hsm *h,
                                  const struct takeover_clean_facts *facts,
                                  struct takeover_clean *ret, struct edge_error *err) {
    struct clean c = {.cfg = cfg, .homedir = homedir, .hsm = h, .facts = facts};
    c.out.is_complete = true;
    enum edge_code code = run(&c);
    c.out.is_complete = c.out.is_complete && code == EDGE_OK;
    *ret = c.out;
    if (code == EDGE_OK) {
        return EDGE_OK;
    }
    if (err != NULL) {
        *err = c.why;
    }
    return edge_wrap(err, code, "removing what release 1.1 left");
}
