/* SPDX-License-Identifier: MIT */
/*
 * The one log sink: lines on stderr, in the shape operators of this device class know:
 * "<6>2026-01-02T03:04:05Z [INFO] - text req=7". Only code under edged/ (not base,
 * loop/http_client, hsm, config) logs above debug.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/attr.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level {
    LOG_OFF = 0,
    LOG_ERROR,
    LOG_WARN,
    LOG_INFO,
    LOG_DEBUG,
};

/* Reads IOTEDGE_LOG ("error|warn|info|debug|trace|off", or a list with "target=level": the widest
 * applies). Default info. The priority "<N>" is left out when stderr is a terminal. */
void log_init(void);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Id of the request being served on this thread, put into lines of it; 0 for none. */
void log_set_request(uint64_t id);

/* State of one call site's repeat limiter. */
struct log_site {
    uint64_t window_start_ms;
    uint32_t in_window;
    uint32_t suppressed;
};

/* Per call site at most LOG_BURST lines in LOG_WINDOW_MS; the next line after that says how many
 * were left out. */
#define LOG_BURST     20
#define LOG_WINDOW_MS 10000

/* One line of at most 1 KiB, longer text is cut with "..."; control characters become blanks. Safe
 * from any thread; keeps errno. site NULL: no limit. */
void log_write(enum log_level level, struct log_site *site, const char *fmt, ...) EDGE_PRINTF(3, 4);

#define LOG_AT(level, ...)                                                                         \
    do {                                                                                           \
        static struct log_site log_site_;                                                          \
        if (log_get_level() >= (level)) {                                                          \
            log_write((level), &log_site_, __VA_ARGS__);                                           \
        }                                                                                          \
    } while (0)

#define log_error(...) LOG_AT(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  LOG_AT(LOG_WARN, __VA_ARGS__)
#define log_info(...)  LOG_AT(LOG_INFO, __VA_ARGS__)
#define log_debug(...) LOG_AT(LOG_DEBUG, __VA_ARGS__)

/* Text from outside for a log line: in single quotes (part of the result), control characters,
 * quotes, backslashes and ill-formed UTF-8 escaped, at most 128 bytes between the quotes, then
 * "...". Returns one of four rotating thread-local buffers: use it in the same statement. */
const char *log_quote(struct slice text);
const char *log_quote_str(const char *text);

/* Test seam: where lines go (without priority and newline); NULL restores stderr. The sink must not
 * log. */
void log_set_sink(void (*sink)(void *data, enum log_level level, const char *line), void *data);

#endif
