/* SPDX-License-Identifier: MIT */
/*
 * TCTI between the code under test and swtpm, or instead of it.
 */
#include "support/fake_tcti.h"

#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tpm2_types.h>

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RSP_MAX 4096

TSS2_RC __real_Tss2_TctiLdr_Initialize(const char *conf, TSS2_TCTI_CONTEXT **ctx);
void __real_Tss2_TctiLdr_Finalize(TSS2_TCTI_CONTEXT **ctx);
TSS2_RC __wrap_Tss2_TctiLdr_Initialize(const char *conf, TSS2_TCTI_CONTEXT **ctx);
void __wrap_Tss2_TctiLdr_Finalize(TSS2_TCTI_CONTEXT **ctx);

struct fake_ctx {
    TSS2_TCTI_CONTEXT_COMMON_V1 v1;
    TSS2_TCTI_CONTEXT *inner;
    uint8_t rsp[RSP_MAX]; /* answer that did not come from the TPM */
    int rsp_len;
    bool answered;
    uint32_t cc;
};

static struct {
    uint32_t inject_cc, inject_rc;
    size_t inject_skip, inject_times;
    uint32_t bytes_cc;
    uint8_t bytes[RSP_MAX];
    size_t bytes_len;
    size_t break_skip, break_times;
    size_t kill_n;
    uint32_t flip_cc;
    size_t flip_times;
    bool refuse;
    bool hang;
    int hang_fds[2];
    size_t opened;
    uint8_t *seen;
    size_t seen_len;
    uint32_t codes[65536];
    size_t code_cnt;
    int (*answer)(void *data, const uint8_t *cmd, size_t len, uint8_t *rsp);
    void *answer_data;
} g;

static void see(const uint8_t *p, size_t len) {
    if (g.seen == NULL) {
        g.seen = malloc(FAKE_CAPTURE_MAX);
    }
    if (g.seen != NULL && g.seen_len + len <= FAKE_CAPTURE_MAX) {
        memcpy(g.seen + g.seen_len, p, len);
        g.seen_len += len;
    }
}

static bool matches(uint32_t want, uint32_t cc) {
    return want == 0 || want == cc;
}

static void answer_rc(struct fake_ctx *f, uint32_t rc) {
    const uint8_t rsp[10] = {
        0x80,       0x01, 0, 0, 0, 10, (uint8_t)(rc >> 24), (uint8_t)(rc >> 16), (uint8_t)(rc >> 8),
        (uint8_t)rc};

    memcpy(f->rsp, rsp, sizeof(rsp));
    f->rsp_len = sizeof(rsp);
    f->answered = true;
}

static TSS2_RC fake_transmit(TSS2_TCTI_CONTEXT *ctx, size_t len, const uint8_t *cmd) {
    struct fake_ctx *f = (struct fake_ctx *)(void *)ctx;

    f->answered = false;
    f->cc = (uint32_t)cmd[6] << 24 | (uint32_t)cmd[7] << 16 | (uint32_t)cmd[8] << 8 | cmd[9];
    if (g.kill_n > 0 && --g.kill_n == 0) {
        (void)kill(getpid(), SIGKILL);
    }
    if (g.code_cnt < sizeof(g.codes) / sizeof(g.codes[0])) {
        g.codes[g.code_cnt++] = f->cc;
    }
    see(cmd, len);
    if (g.break_times > 0 && g.break_skip > 0) {
        g.break_skip--;
    } else if (g.break_times > 0) {
        g.break_times--;
        return TSS2_TCTI_RC_IO_ERROR;
    }
    if (g.bytes_len > 0 && matches(g.bytes_cc, f->cc)) {
        memcpy(f->rsp, g.bytes, g.bytes_len);
        f->rsp_len = (int)g.bytes_len;
        f->answered = true;
        g.bytes_len = 0;
        return TSS2_RC_SUCCESS;
    }
    if (g.inject_times > 0 && matches(g.inject_cc, f->cc) &&
        (g.inject_cc != 0 || f->cc != TPM2_CC_FlushContext)) {
        if (g.inject_skip > 0) {
            g.inject_skip--;
        } else {
            g.inject_times--;
            answer_rc(f, g.inject_rc);
            return TSS2_RC_SUCCESS;
        }
    }
    if (g.answer != NULL) {
        f->rsp_len = g.answer(g.answer_data, cmd, len, f->rsp);
        f->answered = true;
        return TSS2_RC_SUCCESS;
    }
    return Tss2_Tcti_Transmit(f->inner, len, cmd);
}

static TSS2_RC fake_receive(TSS2_TCTI_CONTEXT *ctx, size_t *size, uint8_t *rsp, int32_t timeout) {
    struct fake_ctx *f = (struct fake_ctx *)(void *)ctx;

    if (rsp == NULL) { /* asks for the size only */
        *size = RSP_MAX;
        return TSS2_RC_SUCCESS;
    }
    if (f->answered) {
        if (f->rsp_len < 0) {
            return TSS2_TCTI_RC_IO_ERROR;
        }
        if ((size_t)f->rsp_len > *size) {
            return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
        }
        memcpy(rsp, f->rsp, (size_t)f->rsp_len);
        *size = (size_t)f->rsp_len;
    } else {
        TSS2_RC rc = Tss2_Tcti_Receive(f->inner, size, rsp, timeout);
        if (rc != TSS2_RC_SUCCESS) {
            return rc;
        }
    }
    if (g.flip_times > 0 && matches(g.flip_cc, f->cc) && *size > 10) {
        g.flip_times--;
        rsp[*size - 1] ^= 1;
    }
    see(rsp, *size);
    return TSS2_RC_SUCCESS;
}

static void fake_finalize(TSS2_TCTI_CONTEXT *ctx) {
    (void)ctx;
}

static TSS2_RC fake_cancel(TSS2_TCTI_CONTEXT *ctx) {
    struct fake_ctx *f = (struct fake_ctx *)(void *)ctx;

    return f->inner != NULL ? Tss2_Tcti_Cancel(f->inner) : TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC fake_handles(TSS2_TCTI_CONTEXT *ctx, TSS2_TCTI_POLL_HANDLE *handles, size_t *cnt) {
    struct fake_ctx *f = (struct fake_ctx *)(void *)ctx;

    if (g.hang) {
        if (handles != NULL) {
            handles[0] = (TSS2_TCTI_POLL_HANDLE){.fd = g.hang_fds[0]};
        }
        *cnt = 1;
        return TSS2_RC_SUCCESS;
    }
    if (f->answered || f->inner == NULL) {
        return TSS2_TCTI_RC_NOT_IMPLEMENTED; /* the answer is here: nothing to wait for */
    }
    return Tss2_Tcti_GetPollHandles(f->inner, handles, cnt);
}

static TSS2_RC fake_locality(TSS2_TCTI_CONTEXT *ctx, uint8_t locality) {
    (void)ctx;
    (void)locality;
    return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

TSS2_RC __wrap_Tss2_TctiLdr_Initialize(const char *conf, TSS2_TCTI_CONTEXT **ctx) {
    g.opened++;
    if (g.refuse) {
        return TSS2_TCTI_RC_IO_ERROR;
    }
    struct fake_ctx *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        return TSS2_TCTI_RC_MEMORY;
    }
    if (g.answer == NULL) {
        TSS2_RC rc = __real_Tss2_TctiLdr_Initialize(conf, &f->inner);
        if (rc != TSS2_RC_SUCCESS) {
            free(f);
            return rc;
        }
    }
    f->v1 = (TSS2_TCTI_CONTEXT_COMMON_V1){
        .magic = 1,
        .version = 1,
        .transmit = fake_transmit,
        .receive = fake_receive,
        .finalize = fake_finalize,
        .cancel = fake_cancel,
        .getPollHandles = fake_handles,
        .setLocality = fake_locality,
    };
    *ctx = (TSS2_TCTI_CONTEXT *)(void *)f;
    return TSS2_RC_SUCCESS;
}

void __wrap_Tss2_TctiLdr_Finalize(TSS2_TCTI_CONTEXT **ctx) {
    struct fake_ctx *f = (struct fake_ctx *)(void *)*ctx;

    if (f == NULL) {
        return;
    }
    if (f->inner != NULL) {
        __real_Tss2_TctiLdr_Finalize(&f->inner);
    }
    free(f);
    *ctx = NULL;
}

void fake_tcti_reset(void) {
    fake_tcti_hang(false);
    free(g.seen);
    memset(&g, 0, sizeof(g));
}

void fake_tcti_inject(uint32_t cc, uint32_t rc, size_t skip, size_t times) {
    g.inject_cc = cc;
    g.inject_rc = rc;
    g.inject_skip = skip;
    g.inject_times = times;
}

void fake_tcti_inject_bytes(uint32_t cc, const void *bytes, size_t len) {
    g.bytes_cc = cc;
    memcpy(g.bytes, bytes, len);
    g.bytes_len = len;
}

void fake_tcti_break(size_t skip, size_t times) {
    g.break_skip = skip;
    g.break_times = times;
}

void fake_tcti_kill(size_t n) {
    g.kill_n = n;
}

void fake_tcti_flip(uint32_t cc, size_t times) {
    g.flip_cc = cc;
    g.flip_times = times;
}

void fake_tcti_refuse_open(bool refuse) {
    g.refuse = refuse;
}

void fake_tcti_hang(bool hang) {
    if (g.hang) {
        (void)close(g.hang_fds[0]);
        (void)close(g.hang_fds[1]);
    }
    g.hang = hang && pipe(g.hang_fds) == 0;
}

size_t fake_tcti_opened(void) {
    return g.opened;
}

bool fake_tcti_saw(const void *needle, size_t len) {
    return g.seen != NULL && memmem(g.seen, g.seen_len, needle, len) != NULL;
}

size_t fake_tcti_seen_len(void) {
    return g.seen_len;
}

size_t fake_tcti_count(uint32_t cc) {
    size_t cnt = 0;

    for (size_t i = 0; i < g.code_cnt; i++) {
        cnt += matches(cc, g.codes[i]);
    }
    return cnt;
}

void fake_tcti_script(int (*answer)(void *data, const uint8_t *cmd, size_t len, uint8_t *rsp),
                      void *data) {
    g.answer = answer;
    g.answer_data = data;
}
