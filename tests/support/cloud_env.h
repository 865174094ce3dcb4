/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the cloud and identity layers stand on: fake loop, worker, HTTP client and key
 * store.
 */
#ifndef SUPPORT_CLOUD_ENV_H
#define SUPPORT_CLOUD_ENV_H

#include "support/fake_hsm.h"
#include "support/fake_http_client.h"
#include "support/fake_loop.h"

struct cloud_env {
    struct loop *loop;
    struct worker *worker;
    struct http_client *http;
    struct hsm *hsm;
};

void cloud_env_init(struct cloud_env *env);
void cloud_env_clear(
    struct cloud_env *env); /* fails the program when something is still in flight */

/* Text of a JSON record of one module as the hub sends it; static buffers in turn. */
const char *cloud_env_module(const char *id, const char *generation, const char *managed_by,
                             const char *auth);

#endif
