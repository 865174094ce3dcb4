/* SPDX-License-Identifier: MIT */
/*
 * A hostile TPM. Each answer is the next record of the input (u16 length, bytes); its header is
 * mended unless the highest bit of the length says to leave it, so that the fuzzer gets past the
 * first check. An input that has run out answers with input/output errors.
 */
#include "support/fake_tcti.h"

#include "hsm/hsm.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RSP_MAX 4096
#define RAW_BIT 0x8000u

struct input {
    const uint8_t *data;
    size_t len;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}
int __wrap_nanosleep(const struct timespec *want, struct timespec *left);

int __wrap_nanosleep(const struct timespec *want, struct timespec *left) {
    (void)want;
    (void)left;
    return 0;
}

static int answer(void *data, const uint8_t *cmd, size_t cmd_len, uint8_t *rsp) {
    struct input *in = data;

    (void)cmd;
    (void)cmd_len;
    if (in->len < 2) {
        return -1;
    }
    const unsigned head = (unsigned)in->data[0] << 8 | in->data[1];
    size_t len = head & ~RAW_BIT;
    in->data += 2;
    in->len -= 2;
    len = len > in->len ? in->len : len;
    len = len > RSP_MAX ? RSP_MAX : len;
    memcpy(rsp, in->data, len);
    in->data += len;
    in->len -= len;
    if ((head & RAW_BIT) == 0 && len >= 10) {
        rsp[2] = rsp[3] = 0;
        rsp[4] = (uint8_t)(len >> 8);
        rsp[5] = (uint8_t)len;
    }
    return (int)len;
}

static char dir_path[] = "/tmp/fuzz-tpm-XXXXXX";

static void remove_dir(void) {
    (void)rmdir(dir_path);
}

static const char *state_dir(void) {
    static bool made;

    if (!made) {
        require(mkdtemp(dir_path) != NULL && atexit(remove_dir) == 0);
        made = true;
    }
    return dir_path;
}

static void probe(const struct hsm_config *cfg) {
    static struct hsm_tpm_info info;
    enum hsm_state state = HSM_STATE_UNTRIED;

    if (hsm_probe(cfg, &info, &state, NULL) == EDGE_OK) {
        require(info.handle_cnt <= HSM_HANDLES_MAX && info.ek_cert_len <= HSM_CERT_MAX);
        require(info.keys.ek_len <= HSM_PUBLIC_MAX);
        require(memchr(info.vendor, '\0', sizeof(info.vendor)) != NULL);
        require(memchr(info.ek_cert_subject, '\0', sizeof(info.ek_cert_subject)) != NULL);
    }
    require(state != HSM_STATE_UNTRIED);
}

static void start(const struct hsm_config *cfg) {
    struct hsm *h = NULL;
    uint8_t mac[HSM_MAC_LEN];

    if (hsm_open(cfg, &h, NULL) != EDGE_OK) {
        return;
    }
    if (hsm_start(h, NULL) == EDGE_OK) {
        /* Without the private part of the salted key nobody gets here. */
        abort();
    }
    require(hsm_identity_sign(h, 1, slice_make("x", 1), mac, NULL) != EDGE_OK);
    hsm_close(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct hsm_config cfg = {
        .state_dir = state_dir(), .tcti = "swtpm:path=/nowhere", .allow_emulator = true};

    if (size < 1) {
        return 0;
    }
    struct input in = {data + 1, size - 1};
    fake_tcti_reset();
    fake_tcti_script(answer, &in);
    if ((data[0] & 1) != 0) {
        start(&cfg);
    } else {
        probe(&cfg);
    }
    fake_tcti_reset();
    return 0;
}
