/* SPDX-License-Identifier: MIT */
/*
 * Rules for single values. Each function returns the reason against a value, or NULL when it is
 * fine; reasons are constant and show nothing of the value.
 */
#ifndef CONFIG_CONFIG_VALUE_H
#define CONFIG_CONFIG_VALUE_H

#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"

#include <stdbool.h>

#define CONFIG_HOSTNAME_MAX        64   /* bytes; more does not fit a certificate's common name */
#define CONFIG_REGISTRATION_ID_MAX 128  /* bytes */
#define CONFIG_SCOPE_ID_MAX        128  /* bytes */
#define CONFIG_HUB_HOSTNAME_MAX    253  /* bytes; RFC 1035 section 2.3.4 without the root's dot */
#define CONFIG_DEVICE_ID_MAX       128  /* bytes */
#define CONFIG_NO_PROXY_MAX        4096 /* bytes */
#define CONFIG_IMAGE_MAX           511  /* bytes */

/* True for a value that a template left to be filled in: "<ADD ... HERE>", "{scope_id}". */
bool config_value_is_placeholder(struct slice value);

const char *config_value_hostname(struct slice value);

/* Second opinion on a hostname that is usable here but hardly elsewhere. */
const char *config_value_hostname_doubt(struct slice value);

/* What the DPS accepts: up to 128 of letters, digits and "-._:", the last one a letter, digit or
 * "-". */
const char *config_value_registration_id(struct slice value);

/* Second opinion: older services and tools know small letters, digits and "-" only. */
const char *config_value_registration_id_doubt(struct slice value);

const char *config_value_scope_id(struct slice value);

/* Host name of a hub: letters, digits and ".-_", no URL. A port may follow. */
const char *config_value_hub_hostname(struct slice value);

/* Second opinion on a name that no hub of the public clouds has. */
const char *config_value_hub_hostname_doubt(struct slice value);

/* What a hub accepts: up to 128 of letters, digits and "-:.+%_#*?!(),=@;$'". */
const char *config_value_device_id(struct slice value);

/* Second opinion: characters with a meaning in URLs or topics, which not every tool escapes. */
const char *config_value_device_id_doubt(struct slice value);

/* Symmetric key in base64, with or without padding, 1 to CONFIG_KEY_MAX bytes. *ret (empty before)
 * gets the decoded key. CONFIG: *ret_reason says why not; NOMEM. */
enum edge_code config_value_key(struct slice value, struct secret *ret, const char **ret_reason,
                                struct edge_error *err) EDGE_NODISCARD;

/* List of hosts, domains and networks, or "*". */
const char *config_value_no_proxy(struct slice value);

/* Numbers from 0 to max (below 32), separated by commas, blanks around them: bit n of *ret_bits for
 * number n. False, *ret_bits untouched, for anything else. */
bool config_value_numbers(struct slice value, uint64_t max, uint32_t *ret_bits);

/* Name of an image, with a tag or digest or without. */
const char *config_value_image(struct slice value);

/* IPv4 or IPv6. */
const char *config_value_ip_address(struct slice value);

/* ADDRESS/BITS. */
const char *config_value_ip_range(struct slice value);

const char *config_value_absolute_path(struct slice value);

/* TCTI string in the form NAME or NAME:CONFIG. */
const char *config_value_tcti(struct slice value);

/* True when the TCTI is a device node of this machine. */
bool config_value_tcti_is_device(struct slice value);

/* True for the spellings of TLS 1.0, 1.1 and 1.2 that the 1.1 daemon knows, in any case. */
bool config_value_is_tls_version(struct slice value);

#endif
