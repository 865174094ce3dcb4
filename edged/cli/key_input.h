/* SPDX-License-Identifier: MIT */
/*
 * The key that an operator hands over: from standard input or a private file, never from the
 * command line, which every user of the machine can read.
 */
#ifndef CLI_KEY_INPUT_H
#define CLI_KEY_INPUT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"

#define KEY_INPUT_MAX 8192 /* bytes of a file or of standard input */

/* A key, and whose it is when it came in a connection string. */
struct key_input {
    struct secret key;
    char host[262];   /* "" for a bare key */
    char device[262]; /* "" for a bare key */
};

/* Appends what FILE (NULL: standard input) holds; out should be sensitive. A terminal is asked for
 * one line, after the prompt, and does not show it. Errors of fs_read_private; IO, RANGE. */
enum edge_code key_input_read(const char *file, const char *prompt, struct buf *out,
                              struct edge_error *err) EDGE_NODISCARD;

/* Pure: a connection string with a key, or a key in base64; white space around it does not count.
 * Errors: PARSE with a text that never shows what was given, NOMEM. */
enum edge_code key_input_parse(struct slice text, struct key_input *ret,
                               struct edge_error *err) EDGE_NODISCARD;
void key_input_clear(struct key_input *in);

/* Pure: replaces a group key by the key of one device of the group, HMAC-SHA256(group key,
 * registration id) (tpm-dps.md 4.5). */
enum edge_code key_input_derive(struct secret *key, const char *registration_id,
                                struct edge_error *err) EDGE_NODISCARD;

#endif
