/* SPDX-License-Identifier: MIT */
/*
 * Specifications of modules: what is accepted becomes a body that reads back, carries our label and
 * our image, has no privileges where none are allowed, and answers without credentials.
 */
#include "runtime/module_spec.h"

#include "base/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static void check_body(const struct module_spec *spec, bool elevated) {
    struct cJSON *root = NULL;
    const struct cJSON *labels;
    const struct cJSON *host;
    const struct cJSON *drop;
    struct slice text;
    bool privileged;

    require(json_parse(buf_slice(&spec->create_body), &root, NULL) == EDGE_OK);
    require(json_get_str(root, "Image", &text, NULL) == EDGE_OK);
    require(slice_eq_str(text, spec->image));
    require(json_get_object(root, "Labels", &labels, NULL) == EDGE_OK);
    require(json_get_str(labels, RUNTIME_OWNER_LABEL, &text, NULL) == EDGE_OK);
    require(slice_eq_str(text, RUNTIME_OWNER_VALUE));
    if (!elevated) {
        require(json_get_object(root, "HostConfig", &host, NULL) == EDGE_OK);
        require(json_get_array(host, "CapDrop", &drop, NULL) == EDGE_OK);
        require(json_get_bool(host, "Privileged", &privileged, NULL) == EDGE_NOT_FOUND);
        require(json_get_array(host, "CapAdd", &drop, NULL) == EDGE_NOT_FOUND);
    }
    json_free(root);
}

static void check_details(const struct module_spec *spec) {
    struct cJSON *root = NULL;
    const struct cJSON *config;
    const struct cJSON *settings;
    const struct cJSON *auth;
    struct buf out;

    buf_init(&out, 16 * 1024 * 1024);
    require(module_spec_details(spec, true, &out, NULL) == EDGE_OK);
    require(json_parse(buf_slice(&out), &root, NULL) == EDGE_OK);
    require(json_get_object(root, "config", &config, NULL) == EDGE_OK);
    require(json_get_object(config, "settings", &settings, NULL) == EDGE_OK);
    require(json_get_object(settings, "auth", &auth, NULL) == EDGE_NOT_FOUND);
    json_free(root);
    buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (unsigned elevated = 0; elevated < 2; elevated++) {
        struct module_spec spec;
        if (module_spec_parse(slice_make(data, size), elevated != 0, &spec, NULL) == EDGE_OK) {
            check_body(&spec, elevated != 0);
            check_details(&spec);
            module_spec_clear(&spec);
        }
    }
    return 0;
}
