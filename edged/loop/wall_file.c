/* SPDX-License-Identifier: MIT */
/*
 * A checked file of two lines: the version, the time in seconds since 1970.
 */
#include "loop/wall_file.h"

#include "loop/wall.h"

#include "base/checked.h"

#define FILE_HEAD "edged clock 1"
#define TIME_MAX  INT64_C(253402300799) /* the last second of the year 9999 */

enum edge_code wall_file_encode(int64_t time_s, struct buf *out, struct edge_error *err) {
    struct buf body EDGE_CLEANUP(buf_clear) = {0};
    buf_init(&body, WALL_FILE_MAX);
    enum edge_code code = buf_printf(&body, err, FILE_HEAD "\n%lld", (long long)time_s);
    return code == EDGE_OK ? checked_seal(buf_slice(&body), out, err) : code;
}

enum edge_code wall_file_decode(struct slice text, int64_t *ret_time_s, struct edge_error *err) {
    struct slice body, head, number;
    int64_t value;
    enum edge_code code = checked_unseal(text, &body, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (!slice_cut(body, '\n', &head, &number) || !slice_eq_str(head, FILE_HEAD)) {
        return edge_set(err, EDGE_UNSUPPORTED, "written by another version");
    }
    if (!slice_parse_i64(number, &value) || value < 0 || value > TIME_MAX) {
        return edge_set(err, EDGE_PARSE, "there is no time in it");
    }
    *ret_time_s = value;
    return EDGE_OK;
}

static enum edge_code decode(struct slice text, void *ret, struct edge_error *err) {
    return wall_file_decode(text, ret, err);
}

enum edge_code wall_file_read(const char *dir, int64_t *ret_time_s, struct edge_error *err) {
    return checked_load(dir, WALL_FILE, WALL_FILE_MAX, decode, ret_time_s, err);
}

enum edge_code wall_file_write(const char *dir, int64_t time_s, struct edge_error *err) {
    struct buf text EDGE_CLEANUP(buf_clear) = {0};
    buf_init(&text, WALL_FILE_MAX);
    enum edge_code code = wall_file_encode(time_s, &text, err);
    return code == EDGE_OK ? checked_save(dir, WALL_FILE, buf_slice(&text), err) : code;
}
