/* SPDX-License-Identifier: MIT */
#include "http_answers.h"

#include <stdio.h>
#include <string.h>

struct answer {
    int status;
    bool date, length, chunked, close, type;
    size_t content_length;
};

static const char *find(const char *bytes, size_t len, const char *what) {
    return memmem(bytes, len, what, strlen(what));
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_field(const char *line, size_t len, const char *name) {
    return len >= strlen(name) && memcmp(line, name, strlen(name)) == 0;
}

static const char *read_field(const char *line, size_t len, struct answer *a) {
    if (memchr(line, '\n', len) != NULL || memchr(line, '\r', len) != NULL) {
        return "bare CR or LF in a field";
    }
    if (is_field(line, len, "Content-Length: ")) {
        if (a->length) {
            return "two lengths";
        }
        a->length = true;
        for (size_t i = 16; i < len; i++) {
            if (!is_digit(line[i])) {
                return "bad length";
            }
            a->content_length = a->content_length * 10 + (size_t)(line[i] - '0');
        }
    } else if (is_field(line, len, "Date: ")) {
        a->date = len == 6 + 29 && memcmp(line + len - 4, " GMT", 4) == 0;
    } else if (is_field(line, len, "Transfer-Encoding: chunked")) {
        a->chunked = true;
    } else if (len == 17 && is_field(line, len, "Connection: close")) {
        a->close = true;
    } else if (is_field(line, len, "Content-Type: ")) {
        a->type = true;
    } else if (find(line, len, ": ") == NULL) {
        return "field without colon";
    }
    return NULL;
}

static const char *read_head(const char *head, size_t len, struct answer *a) {
    const char *eol = find(head, len, "\r\n");
    if (eol == NULL || eol - head < 14 || memcmp(head, "HTTP/1.1 ", 9) != 0 || !is_digit(head[9]) ||
        !is_digit(head[10]) || !is_digit(head[11]) || head[12] != ' ') {
        return "bad status line";
    }
    a->status = (head[9] - '0') * 100 + (head[10] - '0') * 10 + head[11] - '0';
    const char *pos = eol + 2;
    while (pos < head + len) {
        eol = find(pos, (size_t)(head + len - pos), "\r\n");
        const char *problem = read_field(pos, (size_t)(eol - pos), a);
        if (problem != NULL) {
            return problem;
        }
        pos = eol + 2;
    }
    bool empty = a->status < 200 || a->status == 204 || a->status == 304;
    if (a->length && a->chunked) {
        return "length and chunked";
    }
    if (empty && (a->length || a->chunked || a->type)) {
        return "body fields where no body may be";
    }
    if (!empty && !a->length && !a->chunked && !a->close) {
        return "no end of the body is told";
    }
    if (a->status >= 200 && !a->date) {
        return "no Date";
    }
    return NULL;
}

/* Length of a chunked body on the wire; 0: not whole; SIZE_MAX: malformed. */
static size_t chunked_len(const char *bytes, size_t len, size_t *ret_data) {
    size_t pos = 0;
    *ret_data = 0;
    for (;;) {
        size_t size = 0, digits = 0;
        while (pos < len && bytes[pos] != '\r') {
            const char *hex = "0123456789abcdef";
            const char *at = memchr(hex, bytes[pos++], 16);
            if (at == NULL || ++digits > 8) {
                return (size_t)-1;
            }
            size = size * 16 + (size_t)(at - hex);
        }
        if (len - pos < 2 || len - pos - 2 < size || len - pos - 2 - size < 2) {
            return 0;
        }
        if (digits == 0 || bytes[pos + 1] != '\n' ||
            memcmp(bytes + pos + 2 + size, "\r\n", 2) != 0) {
            return (size_t)-1;
        }
        pos += size + 4;
        *ret_data += size;
        if (size == 0) {
            return pos;
        }
    }
}

/* Bytes of one answer; 0: not whole. */
static size_t read_one(const char *bytes, size_t len, bool eof, bool head_only, struct answer *a,
                       size_t *ret_body, const char **ret_problem) {
    const char *end = find(bytes, len, "\r\n\r\n");
    if (end == NULL) {
        return 0;
    }
    size_t head_len = (size_t)(end - bytes) + 4;
    *ret_problem = read_head(bytes, head_len - 2, a);
    if (*ret_problem != NULL) {
        return 0;
    }
    size_t rest = len - head_len;
    bool empty = a->status < 200 || a->status == 204 || a->status == 304 || head_only;
    *ret_body = 0;
    if (empty) {
        return head_len;
    }
    if (a->chunked) {
        size_t wire = chunked_len(bytes + head_len, rest, ret_body);
        if (wire == (size_t)-1) {
            *ret_problem = "malformed chunks";
            return 0;
        }
        return wire == 0 ? 0 : head_len + wire;
    }
    if (!a->length) {
        *ret_body = rest;
        return eof ? len : 0;
    }
    *ret_body = a->content_length;
    return rest >= a->content_length ? head_len + a->content_length : 0;
}

void http_answers_read(const char *bytes, size_t len, bool eof, bool head_only,
                       struct http_answers *ret) {
    *ret = (struct http_answers){.whole = true};
    while (ret->used < len) {
        struct answer a = {0};
        size_t body = 0;
        if (ret->closing) {
            ret->problem = "bytes after an answer that closes";
            return;
        }
        size_t used =
            read_one(bytes + ret->used, len - ret->used, eof, head_only, &a, &body, &ret->problem);
        if (used == 0 || ret->cnt == HTTP_ANSWERS_MAX) {
            ret->whole = false;
            return;
        }
        ret->statuses[ret->cnt] = a.status;
        ret->body_lens[ret->cnt++] = body;
        ret->closing = a.close;
        ret->used += used;
    }
}

void http_answers_text(const struct http_answers *a, char *out, size_t size) {
    size_t pos = 0;
    out[0] = '\0';
    for (size_t i = 0; i < a->cnt && pos + 5 < size; i++) {
        pos += (size_t)snprintf(out + pos, size - pos, "%s%d", i > 0 ? " " : "", a->statuses[i]);
    }
}
