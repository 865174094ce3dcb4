/* SPDX-License-Identifier: MIT */
/*
 * Takes the place of the TCTI loader at link time (--wrap=Tss2_TctiLdr_Initialize and _Finalize):
 * looks at, counts, changes or replaces what goes between the TSS and a TPM. Real connections go on
 * to the real loader. One connection at a time; state is global and reset by fake_tcti_reset.
 */
#ifndef SUPPORT_FAKE_TCTI_H
#define SUPPORT_FAKE_TCTI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_CAPTURE_MAX (4u << 20)

void fake_tcti_reset(void);

/* The next `times` commands with this code (0: any but TPM2_FlushContext) are answered with rc and
 * not sent on. `skip` of them pass before. */
void fake_tcti_inject(uint32_t cc, uint32_t rc, size_t skip, size_t times);

/* The same, but the answer is these bytes. */
void fake_tcti_inject_bytes(uint32_t cc, const void *bytes, size_t len);

/* Transmitting fails with an input/output error, after `skip` commands, `times` times. */
void fake_tcti_break(size_t skip, size_t times);

/* kill -9 of this process before the n-th command from now (1: the next). */
void fake_tcti_kill(size_t n);

/* Flips one bit of the last byte of the answers to this command. */
void fake_tcti_flip(uint32_t cc, size_t times);

/* Opening fails; opened counts attempts. */
void fake_tcti_refuse_open(bool refuse);
size_t fake_tcti_opened(void);

/* Answers do not come: the poll handle of the connection is one that never becomes readable. */
void fake_tcti_hang(bool hang);

/* Everything sent and received since the last reset. */
bool fake_tcti_saw(const void *needle, size_t len);
size_t fake_tcti_seen_len(void);
size_t fake_tcti_count(uint32_t cc); /* commands with this code since reset; 0: all */

/* Answers from a function instead of a TPM: fills rsp (4096 bytes) and returns the length, or -1
 * for an input/output error. NULL: the real TPM again. */
void fake_tcti_script(int (*answer)(void *data, const uint8_t *cmd, size_t len, uint8_t *rsp),
                      void *data);

#endif
