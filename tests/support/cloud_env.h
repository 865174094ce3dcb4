/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the cloud and identity layers stand on: fake loop, worker, HTTP client, key
 * store, clock and certificate.
 */
#ifndef SUPPORT_CLOUD_ENV_H
#define SUPPORT_CLOUD_ENV_H

#include "cloud/cloud.h"
#include "cloud/proof.h"
#include "support/fake_device_cert.h"
#include "support/fake_hsm.h"
#include "support/fake_http_client.h"
#include "support/fake_loop.h"
#include "support/stub_wall.h"

/* The key store's first identity key. */
#define CLOUD_ENV_KEY (&(const struct proof_source){.kind = PROOF_KEY, .key_generation = 1})

struct cloud_env {
    struct loop *loop;
    struct worker *worker;
    struct http_client *http;
    struct hsm *hsm;
    struct wall wall;
    struct device_cert cert; /* version 1 of two short texts */
    struct cloud cloud;      /* the above */
};

void cloud_env_init(struct cloud_env *env);
void cloud_env_clear(
    struct cloud_env *env); /* fails the program when something is still in flight */

/* Text of a JSON record of one module as the hub sends it; static buffers in turn. */
const char *cloud_env_module(const char *id, const char *generation, const char *managed_by,
                             const char *auth);

#endif
