/* SPDX-License-Identifier: MIT */
/*
 * Typed access to JSON over cJSON, with caps. Only base/json.c and *_json.c files include cJSON.h;
 * others pass the node pointer on.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 64
#define JSON_NODES_MAX 200000

struct cJSON;

/* Parses one JSON text: strict UTF-8, no NUL inside strings, nothing but white space after it,
 * depth and node caps checked before cJSON sees it. The caller frees with json_free. Errors: PARSE,
 * RANGE, NOMEM. */
enum edge_code json_parse(struct slice text, struct cJSON **ret,
                          struct edge_error *err) EDGE_NODISCARD;

/* The same for foreign text that may hold NUL characters (\u0000), as the output of somebody's
 * programs does: each is read as U+FFFD. */
enum edge_code json_parse_with_nul(struct slice text, struct cJSON **ret,
                                   struct edge_error *err) EDGE_NODISCARD;

/* The same with a cap of the caller's, at most JSON_NODES_MAX: for requests of known shape, whose
 * sender must not make us build a tree that is a hundred times as large as his text. */
enum edge_code json_parse_within(struct slice text, size_t nodes_max, struct cJSON **ret,
                                 struct edge_error *err) EDGE_NODISCARD;

/* A string member that is wanted. */
struct json_view {
    const char *name;
    struct slice value;
};

/* The string members of an object as views, without a tree: for texts whose bulk is one long
 * string. They point into text; when it has escapes, into *ret, a tree after all, which the caller
 * frees (NULL otherwise). Errors: as json_parse_within, then those of json_get_str. */
enum edge_code json_parse_views(struct slice text, size_t nodes_max, struct json_view *views,
                                size_t view_cnt, struct cJSON **ret,
                                struct edge_error *err) EDGE_NODISCARD;

/* Frees a tree; wipes its strings first if `sensitive`. NULL allowed. */
void json_free(struct cJSON *node);
void json_free_sensitive(struct cJSON *node);

/* For `struct cJSON *n EDGE_CLEANUP(json_cleanup)`. */
void json_cleanup(struct cJSON **node);
void json_cleanup_sensitive(struct cJSON **node);

/* Member look-up is case-sensitive; of duplicates the last counts. All return borrowed views that
 * live as long as the tree. A member that is absent or null gives NOT_FOUND, one of another type
 * gives PARSE with the member's name in the text. json_get_i64 takes integers below 2^53 in
 * magnitude, which are exact in the tree: others are RANGE, fractions PARSE. */
enum edge_code json_get_object(const struct cJSON *obj, const char *name, const struct cJSON **ret,
                               struct edge_error *err) EDGE_NODISCARD;
enum edge_code json_get_array(const struct cJSON *obj, const char *name, const struct cJSON **ret,
                              struct edge_error *err) EDGE_NODISCARD;
enum edge_code json_get_str(const struct cJSON *obj, const char *name, struct slice *ret,
                            struct edge_error *err) EDGE_NODISCARD;
enum edge_code json_get_bool(const struct cJSON *obj, const char *name, bool *ret,
                             struct edge_error *err) EDGE_NODISCARD;
enum edge_code json_get_i64(const struct cJSON *obj, const char *name, int64_t *ret,
                            struct edge_error *err) EDGE_NODISCARD;

/* Optional string: true and *ret when present and a string; absent or null: empty slice. Errors:
 * PARSE for another type. */
enum edge_code json_get_opt_str(const struct cJSON *obj, const char *name, struct slice *ret,
                                struct edge_error *err) EDGE_NODISCARD;

bool json_is_object(const struct cJSON *node);
bool json_is_array(const struct cJSON *node);
bool json_is_str(const struct cJSON *node);
bool json_is_null(const struct cJSON *node);
struct slice json_str(const struct cJSON *node);   /* empty unless a string */
int json_int(const struct cJSON *node, int other); /* other unless a number; fractions are cut */

/* Iteration over an array's elements or an object's members: first child, then next; NULL at the
 * end. */
const struct cJSON *json_first(const struct cJSON *node);
const struct cJSON *json_next(const struct cJSON *node);
const char *json_name(const struct cJSON *member); /* member name, or NULL in an array */
/* Whether a member is what Go's decoder, and so the container engine, takes for `want`: it folds
 * case as Unicode does. */
bool json_name_is(const struct cJSON *member, const char *want);

/* Writers: append compact JSON to a buffer. A writer keeps the first error; json_end reports it and
 * takes back what was written. json_add_node writes numbers that no double can hold as null, and
 * integers of 64 bits never with an exponent. */
struct json_writer {
    struct buf *out;
    size_t start; /* length of out at json_begin */
    struct edge_error err;
    enum edge_code code;
    unsigned depth;
    bool comma;
};

void json_begin(struct json_writer *w, struct buf *out);
void json_object_open(struct json_writer *w,
                      const char *name); /* name NULL: array element or root */
void json_object_close(struct json_writer *w);
void json_array_open(struct json_writer *w, const char *name);
void json_array_close(struct json_writer *w);
void json_add_str(struct json_writer *w, const char *name,
                  struct slice value); /* invalid UTF-8: U+FFFD */
void json_add_cstr(struct json_writer *w, const char *name, const char *value);
void json_add_cstr_or_null(struct json_writer *w, const char *name,
                           const char *value); /* null for NULL and "" */
void json_add_i64(struct json_writer *w, const char *name, int64_t value);
void json_add_bool(struct json_writer *w, const char *name, bool value);
void json_add_null(struct json_writer *w, const char *name);
void json_add_b64(struct json_writer *w, const char *name, const void *data, size_t len);
void json_add_node(struct json_writer *w, const char *name,
                   const struct cJSON *node); /* copies it */
enum edge_code json_end(struct json_writer *w, struct edge_error *err) EDGE_NODISCARD;

#endif
