/* SPDX-License-Identifier: MIT */
/*
 * PEM text (RFC 7468) from DER, in constant time for one length, so that keys may pass through.
 */
#ifndef PKI_PEM_H
#define PKI_PEM_H

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"

/* Appends "-----BEGIN label-----" and so on, lines of 64 characters, with a line end at the end. */
enum edge_code pem_append(struct slice der, const char *label, struct buf *out,
                          struct edge_error *err) EDGE_NODISCARD;

/* The same into locked memory; *ret is empty before. */
enum edge_code pem_secret(const struct secret *der, const char *label, struct secret *ret,
                          struct edge_error *err) EDGE_NODISCARD;

#endif
