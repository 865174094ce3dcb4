/* SPDX-License-Identifier: MIT */
/*
 * The URIs and URLs of config.yaml. All functions check the form only; nothing is opened.
 */
#ifndef CONFIG_CONFIG_URI_H
#define CONFIG_CONFIG_URI_H

#include "base/error.h"
#include "base/slice.h"
#include "config/config.h"

#define CONFIG_UNIX_PATH_MAX 107 /* bytes; sun_path of sockaddr_un without its NUL */
#define CONFIG_URL_MAX       512 /* bytes */
#define CONFIG_FD_INDEX_MAX  1023

/* Parses a listener or socket URI: unix:///PATH, fd://NAME, fd://N. *ret belongs to the caller
 * (config_uri_clear). Errors: CONFIG with the reason as text, NOMEM. */
enum edge_code config_uri_parse(struct slice text, struct config_uri *ret,
                                struct edge_error *err) EDGE_NODISCARD;

void config_uri_clear(struct config_uri *uri); /* NULL allowed, idempotent */

/* Checks the URL of a cloud service: https, host, optional port, no path. *ret_url is a copy
 * without trailing slash; free(). Errors as above. */
enum edge_code config_uri_endpoint(struct slice text, char **ret_url,
                                   struct edge_error *err) EDGE_NODISCARD;

/* Checks the URL of the external provisioning environment: unix:///PATH, or http with host and
 * optional port. *ret_url is a copy with the scheme in small letters, without trailing slash;
 * free(). *ret_clear tells that it goes over the network, where others can listen. Errors as above.
 */
enum edge_code config_uri_external(struct slice text, char **ret_url, bool *ret_clear,
                                   struct edge_error *err) EDGE_NODISCARD;

/* Checks the URL of a proxy: http or https, optional user and password, host, optional port.
 * *ret_url is a copy without trailing slash, to be wiped by the caller; free(). The text of an
 * error shows nothing of it. Errors as above. */
enum edge_code config_uri_proxy(struct slice text, char **ret_url,
                                struct edge_error *err) EDGE_NODISCARD;

/* Path behind a file URI (RFC 8089: no host or localhost; no port, query or fragment),
 * percent-decoded; free(). Errors as above. */
enum edge_code config_uri_file(struct slice text, char **ret_path,
                               struct edge_error *err) EDGE_NODISCARD;

/* Path that is given as such (absolute or relative) or as a file URI. */
enum edge_code config_uri_path(struct slice text, char **ret_path,
                               struct edge_error *err) EDGE_NODISCARD;

/* The scheme in front of the first ':' (RFC 3986 section 3.1), or an empty slice when the text has
 * none. */
struct slice config_uri_scheme(struct slice text);

#endif
