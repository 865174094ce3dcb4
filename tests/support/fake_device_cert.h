/* SPDX-License-Identifier: MIT */
/*
 * Stand-in for device_cert_get: the test says what the certificate is. Answers come from a post on
 * the fake loop.
 */
#ifndef SUPPORT_FAKE_DEVICE_CERT_H
#define SUPPORT_FAKE_DEVICE_CERT_H

#include "cloud/device_cert.h"

struct device_cert {
    struct loop *loop;
    uint64_t version;
    const char *cert_pem;
    const char *key_pem;
    const char *common_name; /* NULL: "" */
    enum edge_code fail;     /* of the answers to come, OK: none */
    unsigned get_cnt;
    int kept;                               /* device_cert_keep, less device_cert_free */
    void (*on_get)(struct device_cert *dc); /* or NULL */
};

#endif
