/* SPDX-License-Identifier: MIT */
/*
 * Parts of the document that somebody else reads, as JSON.
 */
#ifndef CONFIG_CONFIG_JSON_H
#define CONFIG_CONFIG_JSON_H

#include "base/buf.h"
#include "config/config_doc.h"

#define CONFIG_JSON_NODES_MAX 10000 /* of a value that is given as JSON text */

/* Appends the value at `path`, which may be NULL for none, as one JSON object: a mapping, or a text
 * that is one already. Problems are reported at the value; then nothing is appended. */
void config_json_object(struct config_doc *doc, const char *path, const struct config_node *node,
                        struct buf *out);

#endif
