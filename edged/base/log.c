/* SPDX-License-Identifier: MIT */
/*
 * Log lines. A line is put together on the stack and leaves in one write, so that lines of several
 * threads do not mix and logging needs no memory.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/env.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_LEN  1024 /* bytes with newline */
#define NOTE_MAX_LEN  96   /* request id and count of lines left out */
#define QUOTE_MAX_LEN 128  /* bytes between the quotes */
#define QUOTE_BUFS    4

static const char *const level_names[] = {"OFF", "ERR!", "WARN", "INFO", "DBUG"};
static const char level_priorities[] = "33467"; /* of syslog */

static atomic_int current_level = LOG_INFO;
static atomic_bool with_priority = true;
static _Thread_local uint64_t request_id;

/* Guards the limiters of all call sites and the sink. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void (*sink)(void *data, enum log_level level, const char *line);
static void *sink_data;

static bool level_from_text(struct slice text, enum log_level *ret) {
    static const struct {
        const char *name;
        enum log_level level;
    } names[] = {{"off", LOG_OFF},   {"error", LOG_ERROR}, {"warn", LOG_WARN},
                 {"info", LOG_INFO}, {"debug", LOG_DEBUG}, {"trace", LOG_DEBUG}};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(names); i++) {
        if (slice_eq_nocase(slice_trim(text), names[i].name)) {
            *ret = names[i].level;
            return true;
        }
    }
    return false;
}

/* "target=level,level/filter": the widest level of the list; unknown words do not count. */
static enum log_level level_from_list(struct slice text) {
    struct slice item;
    struct slice rest;
    struct slice target;
    bool known = false;
    enum log_level widest = LOG_OFF;
    if (slice_cut(text, '/', &item, &rest)) {
        text = item;
    }
    for (bool more = true; more; text = rest) {
        more = slice_cut(text, ',', &item, &rest);
        if (!more) {
            item = text;
        }
        enum log_level level;
        slice_cut(item, '=', &target, &item);
        if (level_from_text(item, &level)) {
            known = true;
            widest = level > widest ? level : widest;
        }
    }
    return known ? widest : LOG_INFO;
}

void log_init(void) {
    log_set_level(level_from_list(slice_str(env_get("IOTEDGE_LOG"))));
    atomic_store(&with_priority, isatty(STDERR_FILENO) != 1);
}

void log_set_level(enum log_level level) {
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

enum log_level log_get_level(void) {
    return (enum log_level)atomic_load_explicit(&current_level, memory_order_relaxed);
}

void log_set_request(uint64_t id) {
    request_id = id;
}

void log_set_sink(void (*fn)(void *data, enum log_level level, const char *line), void *data) {
    pthread_mutex_lock(&lock);
    sink = fn;
    sink_data = data;
    pthread_mutex_unlock(&lock);
}

/* True when the line may go out; *ret_left_out says how many before it did not. */
static bool limit(struct log_site *site, uint32_t *ret_left_out) {
    *ret_left_out = 0;
    if (site == NULL) {
        return true;
    }
    uint64_t now = clock_mono_ms();
    if (site->in_window == 0 || now - site->window_start_ms >= LOG_WINDOW_MS) {
        *ret_left_out = site->suppressed;
        site->window_start_ms = now;
        site->in_window = 0;
        site->suppressed = 0;
    }
    if (site->in_window >= LOG_BURST) {
        site->suppressed++;
        return false;
    }
    site->in_window++;
    return true;
}

/* Whole characters at the front of text that fit. */
static size_t fit_utf8(const char *text, size_t len) {
    size_t done = 0;
    while (done < len) {
        size_t n = slice_utf8_char(slice_make(text + done, len - done));
        if (n == 0 && len - done < 4) {
            break;
        }
        done += n > 0 ? n : 1;
    }
    return done;
}

/* U+0080 to U+009F are control characters to a terminal. */
static bool is_c1(const char *text) {
    return (unsigned char)text[0] == 0xC2 && (unsigned char)text[1] >= 0x80 &&
           (unsigned char)text[1] < 0xA0;
}

/* Adds the message at line[at], leaving room for the note; returns the new length. */
static EDGE_PRINTF(3, 0) size_t add_text(char *line, size_t at, const char *fmt, va_list ap) {
    size_t room = LINE_MAX_LEN - NOTE_MAX_LEN - at;
    int n = vsnprintf(line + at, room, fmt, ap);
    size_t len = n < 0 ? 0 : (size_t)n;
    if (len >= room) {
        static const char dots[] = "...";
        len = fit_utf8(line + at, room - sizeof(dots));
        memcpy(line + at + len, dots, sizeof(dots) - 1);
        len += sizeof(dots) - 1;
    }
    /* A line is a line, and no order to a terminal, whatever was quoted in it. */
    for (size_t i = at; i < at + len; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7F) {
            line[i] = ' ';
        } else if (is_c1(line + i)) {
            line[i] = line[i + 1] = ' ';
        }
    }
    line[at + len] = '\0';
    return at + len;
}

static void write_line(const char *line, size_t len) {
    while (len > 0) {
        ssize_t n = write(STDERR_FILENO, line, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return;
        }
        line += n;
        len -= (size_t)n;
    }
}

void log_write(enum log_level level, struct log_site *site, const char *fmt, ...) {
    if (level == LOG_OFF || level > LOG_DEBUG) {
        return;
    }
    int saved_errno = errno;
    char time[CLOCK_RFC3339_LEN];
    char line[LINE_MAX_LEN];
    clock_format_rfc3339(clock_wall_s(), time);
    int head = snprintf(line, sizeof(line), "<%c>%s [%s] - ", level_priorities[level], time,
                        level_names[level]);
    va_list ap;
    va_start(ap, fmt);
    size_t len = add_text(line, (size_t)head, fmt, ap);
    va_end(ap);

    pthread_mutex_lock(&lock);
    uint32_t left_out;
    if (limit(site, &left_out)) {
        if (request_id != 0) {
            len += (size_t)snprintf(line + len, sizeof(line) - len, " req=%llu",
                                    (unsigned long long)request_id);
        }
        if (left_out > 0) {
            len += (size_t)snprintf(line + len, sizeof(line) - len, " (%u more like it left out)",
                                    left_out);
        }
        size_t priority_len = strlen("<N>");
        if (sink != NULL) {
            sink(sink_data, level, line + priority_len);
        } else {
            size_t skip = atomic_load(&with_priority) ? 0 : priority_len;
            line[len++] = '\n';
            write_line(line + skip, len - skip);
        }
    }
    pthread_mutex_unlock(&lock);
    errno = saved_errno;
}

/* Writes the shown form of the character at the start of s to `to`; returns the bytes it takes of
 * s. */
static size_t quote_char(struct slice s, char to[4], size_t *ret_len) {
    static const char digits[] = "0123456789abcdef";
    unsigned char c = (unsigned char)s.ptr[0];
    size_t n = slice_utf8_char(s);
    if (c == '\'' || c == '"' || c == '\\') {
        to[0] = '\\';
        to[1] = (char)c;
        *ret_len = 2;
        return 1;
    }
    if (n == 0 || c < 0x20 || c == 0x7F || (n == 2 && is_c1(s.ptr))) {
        to[0] = '\\';
        to[1] = 'x';
        to[2] = digits[c >> 4];
        to[3] = digits[c & 15];
        *ret_len = 4;
        return 1;
    }
    memcpy(to, s.ptr, n);
    *ret_len = n;
    return n;
}

const char *log_quote(struct slice text) {
    static _Thread_local char bufs[QUOTE_BUFS][QUOTE_MAX_LEN + 3];
    static _Thread_local unsigned next;
    static const char dots[] = "...";
    char *out = bufs[next++ % QUOTE_BUFS];
    size_t len = 0;
    size_t cut = 0; /* where to cut if it turns out too long */
    out[len++] = '\'';
    while (text.len > 0) {
        char shown[4];
        size_t shown_len;
        size_t taken = quote_char(text, shown, &shown_len);
        if (len + shown_len > QUOTE_MAX_LEN + 1) {
            len = cut;
            memcpy(out + len, dots, sizeof(dots) - 1);
            len += sizeof(dots) - 1;
            break;
        }
        memcpy(out + len, shown, shown_len);
        len += shown_len;
        if (len <= QUOTE_MAX_LEN + 1 - (sizeof(dots) - 1)) {
            cut = len;
        }
        text = slice_make(text.ptr + taken, text.len - taken);
    }
    out[len++] = '\'';
    out[len] = '\0';
    return out;
}

const char *log_quote_str(const char *text) {
    return log_quote(slice_str(text));
}
