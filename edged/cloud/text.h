/* SPDX-License-Identifier: MIT */
/*
 * Checks of names that the cloud or the configuration hands us and that end up in URLs, file
 * contents and logs. Pure.
 */
#ifndef CLOUD_TEXT_H
#define CLOUD_TEXT_H

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

#define TEXT_HOST_MAX 253 /* bytes of a DNS name */
#define TEXT_ID_MAX   128 /* bytes of a device or module id */

/* "host" or "host:port": DNS labels of letters, digits, '-' and '_', port 1 to 65535. */
bool text_is_host_port(struct slice s);

/* Device or module id as IoT Hub defines it: 1 to TEXT_ID_MAX of letters, digits and
 * -.+%_#*?!(),:=@$'. Ids of nothing but dots are refused, since a URL cannot carry them as a path
 * segment. */
bool text_is_id(struct slice s);

/* Opaque token of a service (operation id, generation id): 1 to max_len of letters, digits and
 * -._:~, not only dots. */
bool text_is_token(struct slice s, size_t max_len);

/* Copies printable ASCII with NUL; other bytes become '?', runs of blanks and control characters
 * one blank, single quotes a back-quote. Cuts what does not fit. */
void text_clean(struct slice s, char *dst, size_t dst_size);

#endif
