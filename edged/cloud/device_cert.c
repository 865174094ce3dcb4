/* SPDX-License-Identifier: MIT */
/*
 * The worker gets copies only and gives back what it has read; what is in use changes on the loop
 * alone. Only accepted files are remembered by how they looked: refused ones are read again each
 * time, since time may mend them (not yet valid, half of a renewal).
 */
#include "cloud/device_cert.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/secret.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KEY_MODE_REFUSED 027 /* group may read, nobody else may do anything */
#define READ_TRIES       3

struct content {
    struct stat cert_look; /* to notice a change without reading */
    struct stat key_look;
    struct buf cert;
    struct secret key; /* PEM text */
    struct x509_leaf leaf;
};

struct device_cert {
    struct worker *worker;
    char *cert_path;
    char *key_path;
    struct hsm *hsm;         /* or NULL: the key is in a file */
    struct content *content; /* in use, or NULL */
    uint64_t version;
    uint32_t refs;           /* holders, and looks in flight */
    const struct wall *wall; /* or NULL: the clock */
};

struct get_job {
    struct device_cert *dc; /* the worker reads its paths, which never change */
    bool has_known;         /* content was in use when the job was made; it looked like this: */
    struct stat known_cert;
    struct stat known_key;
    int64_t now_wall_s;
    struct content *found; /* read and good; NULL: nothing new, or not OK */
    enum edge_code code;   /* of the files */
    struct edge_error err;
    device_cert_fn *done;
    void *data;
};

static void content_free(struct content *c) {
    if (c != NULL) {
        buf_clear(&c->cert);
        secret_clear(&c->key);
        free(c);
    }
}

static struct content *content_new(void) {
    struct content *c = calloc(1, sizeof(*c));
    if (c != NULL) {
        buf_init(&c->cert, X509_PEM_MAX);
    }
    return c;
}

static enum edge_code look_at(const char *path, struct stat *ret, struct edge_error *err) {
    return stat(path, ret) == 0 ? EDGE_OK : edge_set_errno(err, errno, "cannot read '%s'", path);
}

static enum edge_code key_mode_check(const char *path, mode_t mode, struct edge_error *err) {
    if ((mode & KEY_MODE_REFUSED) == 0) {
        return EDGE_OK;
    }
    return edge_set(err, EDGE_DENIED,
                    "private key '%s' is open to others (mode %04o): set 'chmod 0600', or 0640 "
                    "for a group that must read it",
                    path, (unsigned)mode & 07777);
}

/* Name of the record with the key, or NULL. */
static const char *record_of(const struct device_cert *dc) {
    return dc->hsm != NULL && slice_starts_with(slice_str(dc->key_path), DEVICE_CERT_RECORD)
               ? dc->key_path + sizeof(DEVICE_CERT_RECORD) - 1
               : NULL;
}

static enum edge_code look_at_key(const struct device_cert *dc, struct stat *ret,
                                  struct edge_error *err) {
    if (record_of(dc) != NULL) {
        *ret = (struct stat){.st_size = 0};
        return EDGE_OK;
    }
    assert(dc->key_path != NULL);
    return look_at(dc->key_path, ret, err);
}

static enum edge_code read_key_file(const struct device_cert *dc, mode_t mode, struct secret *ret,
                                    struct edge_error *err) {
    struct buf text;
    buf_init_sensitive(&text, X509_PEM_MAX);
    enum edge_code code = key_mode_check(dc->key_path, mode, err);
    code = code != EDGE_OK ? code : fs_read_path(dc->key_path, &text, err);
    /* An empty file is no key, which the check of the content tells. */
    code = code != EDGE_OK ? code : secret_copy(ret, text.data, text.len, err);
    buf_clear(&text);
    return code;
}

static enum edge_code read_files(const struct device_cert *dc, struct content *c,
                                 struct edge_error *err) {
    const char *record = record_of(dc);
    enum edge_code code = look_at(dc->cert_path, &c->cert_look, err);
    code = code != EDGE_OK ? code : look_at_key(dc, &c->key_look, err);
    if (code == EDGE_OK) {
        code = record != NULL ? hsm_record_get(dc->hsm, record, &c->key, err)
                              : read_key_file(dc, c->key_look.st_mode, &c->key, err);
    }
    return code != EDGE_OK ? code : fs_read_path(dc->cert_path, &c->cert, err);
}

/* Both files as they were at one moment: somebody may be writing them. */
static enum edge_code read_settled(const struct device_cert *dc, struct content *c,
                                   struct edge_error *err) {
    for (int i = 0; i < READ_TRIES; i++) {
        struct stat cert;
        struct stat key;
        buf_reset(&c->cert);
        secret_clear(&c->key);
        enum edge_code code = read_files(dc, c, err);
        code = code != EDGE_OK ? code : look_at(dc->cert_path, &cert, err);
        code = code != EDGE_OK ? code : look_at_key(dc, &key, err);
        if (code != EDGE_OK) {
            return code;
        }
        if (fs_is_unchanged(&cert, &c->cert_look) && fs_is_unchanged(&key, &c->key_look)) {
            return EDGE_OK;
        }
    }
    return edge_set(err, EDGE_CONFLICT, "certificate '%s' or its key is being written just now",
                    dc->cert_path);
}

static enum edge_code content_check(const struct get_job *job, struct content *c,
                                    struct edge_error *err) {
    struct slice cert = buf_slice(&c->cert);
    const struct device_cert *dc = job->dc;
    enum edge_code code = x509_chain_read(cert, &c->leaf, err);
    if (code == EDGE_OK) {
        code = x509_time_check(&c->leaf, job->now_wall_s, err);
    }
    if (code != EDGE_OK) {
        return edge_wrap(err, code, "checking certificate '%s'", dc->cert_path);
    }
    code = x509_key_check(cert, secret_slice(&c->key), err);
    return code == EDGE_OK ? code : edge_wrap(err, code, "checking key '%s'", dc->key_path);
}

static void job_run(void *data) {
    struct get_job *job = data;
    struct stat cert;
    struct stat key;
    job->code = look_at(job->dc->cert_path, &cert, &job->err);
    if (job->code == EDGE_OK) {
        job->code = look_at_key(job->dc, &key, &job->err);
    }
    if (job->code != EDGE_OK || (job->has_known && fs_is_unchanged(&cert, &job->known_cert) &&
                                 fs_is_unchanged(&key, &job->known_key))) {
        return;
    }
    struct content *c = content_new();
    if (c == NULL) {
        job->code = edge_set(&job->err, EDGE_NOMEM, "no memory for the device's certificate");
        return;
    }
    job->code = read_settled(job->dc, c, &job->err);
    if (job->code == EDGE_OK) {
        job->code = content_check(job, c, &job->err);
    }
    if (job->code == EDGE_OK) {
        job->found = c;
    } else {
        content_free(c);
    }
}

static bool content_eq(const struct content *a, const struct content *b) {
    return slice_eq(buf_slice(&a->cert), buf_slice(&b->cert)) && secret_equal(&a->key, &b->key);
}

static void take_found(struct device_cert *dc, struct get_job *job) {
    if (job->found == NULL) {
        return;
    }
    if (dc->content == NULL || !content_eq(dc->content, job->found)) {
        dc->version++;
    }
    content_free(dc->content);
    dc->content = TAKE_PTR(job->found);
}

/* Hands out what is in use; when that has run out, the reason why there is nothing newer. */
static void job_answer(struct get_job *job) {
    const struct device_cert *dc = job->dc;
    const struct content *c = dc->content;
    enum edge_code code = job->code;
    if (c != NULL) {
        struct edge_error err;
        enum edge_code valid = x509_time_check(&c->leaf, job->now_wall_s, &err);
        if (valid != EDGE_OK && code == EDGE_OK) {
            (void)edge_wrap(&err, valid, "checking certificate '%s'", dc->cert_path);
            job->err = err;
            code = valid;
        }
        if (valid == EDGE_OK) {
            const struct device_cert_view view = {
                .cert_pem = buf_slice(&c->cert),
                .key_pem = secret_slice(&c->key),
                .common_name = c->leaf.common_name,
                .thumbprint = c->leaf.thumbprint,
                .pem_sha256 = c->leaf.pem_sha256,
                .not_after_wall_s = c->leaf.not_after_wall_s,
                .version = dc->version,
                .note = code != EDGE_OK ? edge_error_text(&job->err) : NULL,
            };
            job->done(job->data, EDGE_OK, &view, NULL);
            return;
        }
    }
    job->done(job->data, code, NULL, &job->err);
}

static void job_done(void *data, enum edge_code code) {
    struct get_job *job = data;
    if (code == EDGE_OK) {
        take_found(job->dc, job);
        job_answer(job);
    } else if (code == EDGE_CANCELED) {
        (void)edge_set(&job->err, code, "reading of the device's certificate was cancelled");
        job->done(job->data, code, NULL, &job->err);
    } else {
        (void)edge_set(&job->err, code, "the worker was busy for %d s",
                       DEVICE_CERT_QUEUE_TIMEOUT_MS / 1000);
        job->done(job->data, code, NULL, &job->err);
    }
    content_free(job->found);
    device_cert_free(job->dc);
    free(job);
}

enum edge_code device_cert_get(struct device_cert *dc, device_cert_fn *done, void *data,
                               struct op *ret_op, struct edge_error *err) {
    struct get_job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory to read the device's certificate");
    }
    job->dc = dc;
    job->has_known = dc->content != NULL;
    if (job->has_known) {
        job->known_cert = dc->content->cert_look;
        job->known_key = dc->content->key_look;
    }
    job->now_wall_s = wall_now_s(dc->wall);
    job->done = done;
    job->data = data;
    const struct worker_job work = {
        .run = job_run,
        .done = job_done,
        .data = job,
        .queue_timeout_ms = DEVICE_CERT_QUEUE_TIMEOUT_MS,
        .urgent = true,
    };
    enum edge_code code = worker_submit(dc->worker, &work, ret_op, err);
    if (code != EDGE_OK) {
        free(job);
        return code;
    }
    (void)device_cert_keep(dc);
    return EDGE_OK;
}

void device_cert_use_store(struct device_cert *dc, struct hsm *h) {
    dc->hsm = h;
}

void device_cert_set_wall(struct device_cert *dc, const struct wall *wall) {
    dc->wall = wall;
}

enum edge_code device_cert_new(struct worker *w, const char *cert_path, const char *key_path,
                               struct device_cert **ret, struct edge_error *err) {
    struct device_cert *dc = calloc(1, sizeof(*dc));
    if (dc != NULL) {
        dc->refs = 1;
        dc->worker = w;
        dc->cert_path = strdup(cert_path);
        dc->key_path = strdup(key_path);
    }
    if (dc == NULL || dc->cert_path == NULL || dc->key_path == NULL) {
        device_cert_free(dc);
        return edge_set(err, EDGE_NOMEM, "no memory for the device's certificate");
    }
    *ret = dc;
    return EDGE_OK;
}

struct device_cert *device_cert_keep(struct device_cert *dc) {
    if (dc != NULL) {
        dc->refs++;
    }
    return dc;
}

void device_cert_free(struct device_cert *dc) {
    if (dc == NULL || --dc->refs > 0) {
        return;
    }
    content_free(dc->content);
    free(dc->cert_path);
    free(dc->key_path);
    free(dc);
}
