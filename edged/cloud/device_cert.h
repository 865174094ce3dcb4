/* SPDX-License-Identifier: MIT */
/*
 * The X.509 identity of the device: a file with its certificate and the issuers that servers need
 * to see, and a file with its private key. Both are looked at on every use, so that a renewed
 * certificate is taken without a restart. Files that cannot be used never replace ones that can:
 * half of a renewal (new certificate, old key) leaves the old pair in use until the other half has
 * come. The key may also lie in a record of the key store. Loop thread only.
 */
#ifndef CLOUD_DEVICE_CERT_H
#define CLOUD_DEVICE_CERT_H

#include "base/error.h"
#include "base/slice.h"
#include "base/x509.h"
#include "hsm/hsm.h"
#include "loop/loop.h"
#include "loop/op.h"
#include "loop/wall.h"
#include "loop/worker.h"

#include <stddef.h>
#include <stdint.h>

#define DEVICE_CERT_QUEUE_TIMEOUT_MS 30000 /* longest wait for the worker */

/* Before the name of a record, in place of the path of a key file. */
#define DEVICE_CERT_RECORD "record:"

struct device_cert;

/* Valid during the callback. */
struct device_cert_view {
    struct slice cert_pem;   /* chain, leaf first: the whole file */
    struct slice key_pem;    /* secret */
    const char *common_name; /* of the leaf; "" when it has none */
    const char *thumbprint;  /* SHA-256 of the leaf's DER, lower-case hex */
    const char *pem_sha256;  /* SHA-256 of the file's text, lower-case hex */
    int64_t not_after_wall_s;
    uint64_t version; /* counts accepted contents, from 1 */
    const char *note; /* why what the files hold now is not used, or NULL */
};

/* On the loop thread, exactly once, later. view: NULL unless code is OK; err: set unless it is. */
typedef void device_cert_fn(void *data, enum edge_code code, const struct device_cert_view *view,
                            const struct edge_error *err);

/* Copies the paths; reads nothing yet. */
enum edge_code device_cert_new(struct worker *w, const char *cert_path, const char *key_path,
                               struct device_cert **ret, struct edge_error *err) EDGE_NODISCARD;

/* From now on a key path that begins with DEVICE_CERT_RECORD names a record of this key store. A
 * record is not expected to change. Not for paths that an operator gave. */
void device_cert_use_store(struct device_cert *dc, struct hsm *h);

/* Who knows the time that certificates must be valid at; the wall clock until then. Borrowed. */
void device_cert_set_wall(struct device_cert *dc, const struct wall *wall);

/* One holder more, and one less: it goes with the last one, and not before every device_cert_get
 * has been answered. NULL allowed. */
struct device_cert *device_cert_keep(struct device_cert *dc);
void device_cert_free(struct device_cert *dc);

/* Looks on the worker (urgent) whether the files have changed since they were accepted, and if so
 * reads and checks them: X509_PEM_MAX bytes and X509_CHAIN_MAX certificates at most, chain in
 * order, leaf valid now, key in clear, fitting the leaf, and in a file that others cannot read and
 * the group cannot write (0640 at most). The result's errors name the file, what is wrong and how
 * to mend it: NOT_FOUND, DENIED (no permission, modes too wide, not valid at this time), PARSE,
 * RANGE, CONFLICT (key or chain does not fit), INVALID, IO; those of hsm_record_get; CANCELED,
 * TIMEOUT. ret_op may be NULL.
 * Errors of the call itself: BUSY, CANCELED, NOMEM. */
enum edge_code device_cert_get(struct device_cert *dc, device_cert_fn *done, void *data,
                               struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;

#endif
