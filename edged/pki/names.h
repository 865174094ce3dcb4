/* SPDX-License-Identifier: MIT */
/*
 * Names that go into certificates: which are accepted, and in what form. Pure.
 */
#ifndef PKI_NAMES_H
#define PKI_NAMES_H

#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAMES_COMMON_NAME_MAX 64  /* bytes; ub-common-name of RFC 5280 */
#define NAMES_LABEL_MAX       63  /* bytes of one DNS label */
#define NAMES_ID_MAX          255 /* bytes of a device id or host name */
#define NAMES_URI_MAX         640 /* bytes of the URI of an identity */

/* The form in which release 1.1 makes a DNS name of a module id: without leading characters that
 * are no letters and trailing ones that are not alphanumeric, lower-cased, only [a-z0-9-], at most
 * 63. Empty when nothing remains. */
void names_sanitize(struct slice module_id, char out[NAMES_LABEL_MAX + 1]);

/* Lower-cased (ASCII), at most 64 bytes. */
void names_lower(struct slice text, char out[NAMES_COMMON_NAME_MAX + 1]);

/* Whether the text is a host name: labels of letters, digits, '-' and '_' that neither begin nor
 * end with '-', 1 to 63 bytes each; the last of several is not a number. No wildcard. */
bool names_is_dns(struct slice text);

/* What a caller may ask for as the common name of a server certificate: a host name or an IP
 * address of at most 64 bytes. Errors: INVALID, with the reason. */
enum edge_code names_check_common_name(struct slice common_name,
                                       struct edge_error *err) EDGE_NODISCARD;

/* A module or device id that goes into a URI and a subject: printable ASCII without blanks and '/'.
 * `what` for the text ("the module id"). Errors: INVALID. */
enum edge_code names_check_id(struct slice id, size_t max_len, const char *what,
                              struct edge_error *err) EDGE_NODISCARD;

#endif
