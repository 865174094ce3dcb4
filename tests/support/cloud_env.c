/* SPDX-License-Identifier: MIT */
#include "support/cloud_env.h"

#include "base/secret.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

void cloud_env_init(struct cloud_env *env) {
    fake_loop_init();
    env->loop = fake_loop();
    env->worker = fake_worker();
    if (http_client_new(env->loop, NULL, &env->http, NULL) != EDGE_OK) {
        abort();
    }
    env->hsm = fake_hsm_new();
    env->wall = (struct wall){0};
    env->cert = (struct device_cert){
        .loop = env->loop, .version = 1, .cert_pem = "CHAIN", .key_pem = "KEY"};
    env->cloud = (struct cloud){env->loop, env->worker, env->hsm, env->http, &env->wall};
}

void cloud_env_clear(struct cloud_env *env) {
    assert(fake_http_in_flight(env->http) == 0);
    http_client_free(env->http);
    fake_loop_clear();
    hsm_close(env->hsm);
}

const char *cloud_env_module(const char *id, const char *generation, const char *managed_by,
                             const char *auth) {
    static char texts[8][1024];
    static unsigned next;
    char *text = texts[next++ % 8];
    (void)snprintf(
        text, sizeof(texts[0]),
        "{\"moduleId\":\"%s\",\"managedBy\":\"%s\",\"deviceId\":\"dev-01\",\"generationId\":\"%s\","
        "\"etag\":\"AAAA\",\"connectionState\":\"Disconnected\",\"authentication\":{\"type\":\"%"
        "s\","
        "\"symmetricKey\":{\"primaryKey\":\"c2VjcmV0\",\"secondaryKey\":\"c2VjcmV0\"},"
        "\"x509Thumbprint\":{\"primaryThumbprint\":null,\"secondaryThumbprint\":null}}}",
        id, managed_by, generation, auth);
    return text;
}
