/* SPDX-License-Identifier: MIT */
/*
 * The file AGENT_RECORD_FILE of the state directory: with which generation id and by which
 * specification edgeAgent was last made, so that a device without network can make it again, and
 * one that edgeAgent made of itself is left alone. For the worker thread: reading and writing may
 * block.
 */
#ifndef AGENT_AGENT_RECORD_H
#define AGENT_AGENT_RECORD_H

#include "agent/moved.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/mac.h"
#include "base/slice.h"

#define AGENT_RECORD_FILE    "edge-agent"
#define AGENT_RECORD_MAX     2048 /* bytes */
#define AGENT_GENERATION_LEN 128  /* bytes of a generation id, with NUL */

struct agent_record {
    char hub[MOVED_TEXT_LEN];
    char device_id[MOVED_TEXT_LEN];
    char generation_id[AGENT_GENERATION_LEN]; /* of $edgeAgent there; never "" */
    char fingerprint[SHA256_HEX];             /* of agent_spec; "": no container was made yet */
};

/* Pure. INVALID: a text is empty or of more than one line. */
enum edge_code agent_record_encode(const struct agent_record *r, struct buf *out,
                                   struct edge_error *err) EDGE_NODISCARD;

/* Pure. Errors: PARSE (damaged), UNSUPPORTED (another version). */
enum edge_code agent_record_decode(struct slice text, struct agent_record *ret,
                                   struct edge_error *err) EDGE_NODISCARD;

/* NOT_FOUND when there is none. A damaged file is set aside: PARSE, with its new name in the text.
 */
enum edge_code agent_record_read(const char *dir, struct agent_record *ret,
                                 struct edge_error *err) EDGE_NODISCARD;
enum edge_code agent_record_write(const char *dir, const struct agent_record *r,
                                  struct edge_error *err) EDGE_NODISCARD;

#endif
