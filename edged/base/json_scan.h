/* SPDX-License-Identifier: MIT */
/*
 * Strict check of a JSON text (RFC 8259) that runs before the parser, which is more lenient.
 */
#ifndef BASE_JSON_SCAN_H
#define BASE_JSON_SCAN_H

#include "base/error.h"
#include "base/slice.h"

struct json_view;

/* Longest number, bytes: what the parser takes in. */
#define JSON_NUMBER_MAX 63

/* OK when text is exactly one JSON value in UTF-8 within JSON_DEPTH_MAX, JSON_NODES_MAX and
 * JSON_NUMBER_MAX, free of NUL (also escaped) and of lone surrogates. Errors, with the byte
 * position: PARSE, RANGE. */
enum edge_code json_scan(struct slice text, struct edge_error *err) EDGE_NODISCARD;

/* The same with another cap on the number of values. */
enum edge_code json_scan_within(struct slice text, size_t nodes_max,
                                struct edge_error *err) EDGE_NODISCARD;

/* The same; notes the strings by these names in the outermost object, the last of each. value.ptr
 * is NULL where there is none, and for all of them when the text has escapes. */
enum edge_code json_scan_views(struct slice text, size_t nodes_max, struct json_view *views,
                               size_t view_cnt, struct edge_error *err) EDGE_NODISCARD;

/* Length of the ASCII at the start of s that stands in a JSON string as it is. */
size_t json_scan_plain(struct slice s);

#endif
