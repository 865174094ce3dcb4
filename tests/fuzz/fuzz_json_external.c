/* SPDX-License-Identifier: MIT */
/* Answers of the external provisioning service. First byte: which request; second: which status;
 * the rest is the body. */
#include "cloud/external_json.h"

#include "cloud/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct external external = {NULL, "http://127.0.0.1:9999"};
static const int statuses[] = {200, 204, 302, 400, 401, 403, 404, 408, 429, 500};

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static void require_printable(const char *text, size_t size) {
    require(memchr(text, '\0', size) != NULL);
    for (; *text != '\0'; text++) {
        require(*text >= ' ' && *text < 0x7f);
    }
}

static void require_reference(const char *text) {
    require(memchr(text, '\0', EXTERNAL_REF_MAX + 1) != NULL);
    require(text[0] != '\0');
    for (; *text != '\0'; text++) {
        require((unsigned char)*text >= ' ' && *text != 0x7f);
    }
}

static void check_information(const struct external_answer *a) {
    require(text_is_host_port(slice_str(a->hub)) && text_is_id(slice_str(a->device_id)));
    if (a->is_in_hsm) {
        require(a->key.len == 0 && a->cert_pem.len == 0 && a->key_pem.len == 0);
        if (a->auth == EXTERNAL_AUTH_X509) {
            require_reference(a->cert_ref);
            require_reference(a->key_ref);
        }
    } else if (a->auth == EXTERNAL_AUTH_KEY) {
        require(a->key.len > 0 && a->key.len <= EXTERNAL_KEY_MAX);
        require(a->cert_pem.len == 0 && a->key_pem.len == 0);
    } else {
        require(a->cert_pem.len > 0 && a->cert_pem.len <= EXTERNAL_PEM_MAX);
        require(a->key_pem.len > 0 && a->key_pem.len <= EXTERNAL_PEM_MAX);
        require(a->key.len == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) {
        return 0;
    }
    const struct reply reply = {.status = statuses[data[1] % EDGE_ARRAY_LEN(statuses)],
                                .body = slice_make(data + 2, size - 2),
                                .now_wall_s = 1700000000};
    enum external_json_ask ask =
        data[0] % 2 == 0 ? EXTERNAL_JSON_INFORMATION : EXTERNAL_JSON_REPROVISION;
    struct external_answer a;
    struct external_secrets secrets;
    external_secrets_init(&secrets);
    external_json_answer(&external, ask, &reply, &a, &secrets);
    require((a.kind == EXTERNAL_OK) == (a.code == EDGE_OK));
    require(a.code == EDGE_OK || a.err.code == a.code);
    require_printable(a.said, sizeof(a.said));
    require_printable(a.status, sizeof(a.status));
    require_printable(a.substatus, sizeof(a.substatus));
    if (a.code != EDGE_OK) {
        require(a.key.len == 0 && a.cert_pem.len == 0 && a.key_pem.len == 0);
    } else if (ask == EXTERNAL_JSON_INFORMATION) {
        check_information(&a);
    }
    external_secrets_clear(&secrets);
    return 0;
}
