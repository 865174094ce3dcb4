/* SPDX-License-Identifier: MIT */
/*
 * TCTI around a TCTI. Resending happens here because the same bytes are valid again: a command that
 * was not executed leaves its sessions as they were (TPM 2.0 Part 1, 19.3.4), so every command of
 * every layer above gets the same treatment without asking for it.
 */
#include "tpm/tpm_tcti.h"

#include "tpm/tpm_rc.h"

#include "base/secret.h"

#include <tss2/tss2_tctildr.h>
#include <tss2/tss2_tpm2_types.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TCTI_MAGIC     0x6564676564687300ULL
#define TCTI_VERSION   1
#define HEADER_LEN     10
#define FLUSH_LEN      14
#define PAUSE_FIRST_MS 2
#define PAUSE_MAX_MS   250

#define POLL_HANDLES_MAX 4

struct tpm_tcti {
    TSS2_TCTI_CONTEXT_COMMON_V1 v1; /* first: the TSS casts */
    TSS2_TCTI_CONTEXT *inner;
    uint64_t *command_cnt;
    uint8_t cmd[TPM_COMMAND_MAX];
    size_t cmd_len;
    bool gave_up; /* the budget for cmd is spent */
    bool timed_out;
};

static uint32_t be32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static struct tpm_tcti *self(TSS2_TCTI_CONTEXT *ctx) {
    return (struct tpm_tcti *)(void *)ctx;
}

static TSS2_RC send_command(struct tpm_tcti *t) {
    (*t->command_cnt)++;
    return Tss2_Tcti_Transmit(t->inner, t->cmd_len, t->cmd);
}

static TSS2_RC tcti_transmit(TSS2_TCTI_CONTEXT *ctx, size_t size, const uint8_t *command) {
    struct tpm_tcti *t = self(ctx);

    if (size < HEADER_LEN || size > sizeof(t->cmd)) {
        return TSS2_TCTI_RC_BAD_VALUE;
    }
    /* ESYS resends a few times by itself: such a repetition gets no new budget. */
    bool same = t->gave_up && size == t->cmd_len && memcmp(command, t->cmd, size) == 0;
    memcpy(t->cmd, command, size);
    t->cmd_len = size;
    t->gave_up = same;
    t->timed_out = false;
    return send_command(t);
}

static int wait_ms(const struct tpm_tcti *t) {
    return be32(t->cmd + 6) == TPM2_CC_CreatePrimary ? TPM_WAIT_PRIMARY_MS : TPM_WAIT_MS;
}

/* Handles to wait on; 0 where the transport cannot be polled. */
static size_t poll_handles(struct tpm_tcti *t, TSS2_TCTI_POLL_HANDLE handles[POLL_HANDLES_MAX]) {
    size_t cnt = 0;

    if (Tss2_Tcti_GetPollHandles(t->inner, NULL, &cnt) != TSS2_RC_SUCCESS || cnt == 0 ||
        cnt > POLL_HANDLES_MAX ||
        Tss2_Tcti_GetPollHandles(t->inner, handles, &cnt) != TSS2_RC_SUCCESS) {
        return 0;
    }
    for (size_t i = 0; i < cnt; i++) {
        handles[i].events = POLLIN; /* some transports leave it unset, some add POLLOUT */
        handles[i].revents = 0;
    }
    return cnt;
}

/* Waits for the answer; where that is not possible receive blocks. */
static TSS2_RC wait_answer(struct tpm_tcti *t) {
    TSS2_TCTI_POLL_HANDLE handles[POLL_HANDLES_MAX] = {0};
    const size_t cnt = poll_handles(t, handles);
    int n;

    if (cnt == 0) {
        return TSS2_RC_SUCCESS;
    }
    do {
        n = poll(handles, (nfds_t)cnt, wait_ms(t));
    } while (n < 0 && errno == EINTR);
    if (n == 0) {
        t->timed_out = true;
        (void)Tss2_Tcti_Cancel(t->inner);
        return TSS2_TCTI_RC_IO_ERROR;
    }
    return TSS2_RC_SUCCESS;
}

static TSS2_RC receive_once(struct tpm_tcti *t, size_t *size, uint8_t *response) {
    TSS2_RC rc = wait_answer(t);

    if (rc == TSS2_RC_SUCCESS) {
        rc = Tss2_Tcti_Receive(t->inner, size, response, TSS2_TCTI_TIMEOUT_BLOCK);
    }
    if (rc != TSS2_RC_SUCCESS) {
        /* ESYS would call again for ever on TRY_AGAIN of a transport that cannot block. */
        return rc == TSS2_TCTI_RC_TRY_AGAIN ? TSS2_TCTI_RC_IO_ERROR : rc;
    }
    if (*size < HEADER_LEN || be32(response + 2) != *size) {
        return TSS2_TCTI_RC_MALFORMED_RESPONSE;
    }
    return TSS2_RC_SUCCESS;
}

static void pause_ms(unsigned ms) {
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000L};

    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

static TSS2_RC tcti_receive(TSS2_TCTI_CONTEXT *ctx, size_t *size, uint8_t *response,
                            int32_t timeout) {
    struct tpm_tcti *t = self(ctx);
    unsigned pause = PAUSE_FIRST_MS, spent = 0;

    (void)timeout;
    if (response == NULL) {
        *size = TPM_COMMAND_MAX;
        return TSS2_RC_SUCCESS;
    }
    const size_t room = *size;
    for (;;) {
        size_t len = room;
        TSS2_RC rc = receive_once(t, &len, response);
        if (rc != TSS2_RC_SUCCESS) {
            return rc;
        }
        if (!tpm_rc_is_transient(be32(response + 6))) {
            *size = len;
            return TSS2_RC_SUCCESS;
        }
        if (t->gave_up || spent >= TPM_RESEND_BUDGET_MS) {
            t->gave_up = true;
            *size = len;
            return TSS2_RC_SUCCESS;
        }
        pause_ms(pause);
        spent += pause;
        pause = pause * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : pause * 2;
        rc = send_command(t);
        if (rc != TSS2_RC_SUCCESS) {
            return rc;
        }
    }
}

static TSS2_RC tcti_cancel(TSS2_TCTI_CONTEXT *ctx) {
    return Tss2_Tcti_Cancel(self(ctx)->inner);
}

static TSS2_RC tcti_poll_handles(TSS2_TCTI_CONTEXT *ctx, TSS2_TCTI_POLL_HANDLE *handles,
                                 size_t *cnt) {
    return Tss2_Tcti_GetPollHandles(self(ctx)->inner, handles, cnt);
}

static TSS2_RC tcti_locality(TSS2_TCTI_CONTEXT *ctx, uint8_t locality) {
    return Tss2_Tcti_SetLocality(self(ctx)->inner, locality);
}

static void tcti_finalize(TSS2_TCTI_CONTEXT *ctx) {
    (void)ctx; /* tpm_tcti_close does it */
}

TSS2_RC tpm_tcti_open(const char *conf, uint64_t *command_cnt, struct tpm_tcti **ret) {
    struct tpm_tcti *t = calloc(1, sizeof(*t));

    if (t == NULL) {
        return TSS2_TCTI_RC_MEMORY;
    }
    TSS2_RC rc = Tss2_TctiLdr_Initialize(conf, &t->inner);
    if (rc != TSS2_RC_SUCCESS) {
        free(t);
        return rc;
    }
    t->command_cnt = command_cnt;
    t->v1 = (TSS2_TCTI_CONTEXT_COMMON_V1){
        .magic = TCTI_MAGIC,
        .version = TCTI_VERSION,
        .transmit = tcti_transmit,
        .receive = tcti_receive,
        .finalize = tcti_finalize,
        .cancel = tcti_cancel,
        .getPollHandles = tcti_poll_handles,
        .setLocality = tcti_locality,
    };
    *ret = t;
    return TSS2_RC_SUCCESS;
}

void tpm_tcti_close(struct tpm_tcti *t) {
    if (t == NULL) {
        return;
    }
    Tss2_TctiLdr_Finalize(&t->inner);
    secret_wipe(t, sizeof(*t));
    free(t);
}

TSS2_TCTI_CONTEXT *tpm_tcti_context(struct tpm_tcti *t) {
    return (TSS2_TCTI_CONTEXT *)(void *)&t->v1;
}

void tpm_tcti_flush(struct tpm_tcti *t, uint32_t handle) {
    const uint8_t cmd[FLUSH_LEN] = {TPM2_ST_NO_SESSIONS >> 8,
                                    TPM2_ST_NO_SESSIONS & 0xFF,
                                    0,
                                    0,
                                    0,
                                    FLUSH_LEN,
                                    0,
                                    0,
                                    TPM2_CC_FlushContext >> 8,
                                    TPM2_CC_FlushContext & 0xFF,
                                    (uint8_t)(handle >> 24),
                                    (uint8_t)(handle >> 16),
                                    (uint8_t)(handle >> 8),
                                    (uint8_t)handle};
    uint8_t rsp[TPM_COMMAND_MAX];
    size_t len = sizeof(rsp);

    if (t->timed_out) {
        return; /* it would be waited for in vain once more */
    }
    if (tcti_transmit(tpm_tcti_context(t), sizeof(cmd), cmd) == TSS2_RC_SUCCESS) {
        (void)tcti_receive(tpm_tcti_context(t), &len, rsp, TSS2_TCTI_TIMEOUT_BLOCK);
    }
}

bool tpm_tcti_timed_out(const struct tpm_tcti *t) {
    return t->timed_out;
}
