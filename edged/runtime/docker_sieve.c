/* SPDX-License-Identifier: MIT */
/*
 * A machine over bytes that knows strings, brackets and the names of members, and nothing else.
 * Names are compared as they are written: an escaped one does not pass.
 */
#include "runtime/docker_sieve.h"

#include "runtime/runtime.h"

#include <string.h>

enum state {
    OUTSIDE,      /* of a thinned object */
    AFTER_STRING, /* a string has ended, which was a name if ':' follows */
    BEFORE_VALUE, /* of the member in question */
    BEFORE_NAME,  /* in the thinned object */
    IN_NAME,      /* as long as it begins as it should */
    PASSING,
    DROPPING,
    BEFORE_EMPTIED, /* a value that becomes null */
    EMPTYING,
};

/* What becomes of a byte. */
enum fate {
    PASSES,
    GOES,
    BEGINS_MEMBER, /* in its place come the bytes that were held back */
    BEGINS_NULL,   /* in its place comes null */
    TAKES_BACK,    /* it goes, and so does what has passed of its member */
};

#define NAME_LEN         256
#define EDGE_LABELS_ROOM ((size_t)128 * 1024)

/* Of lists, containers and images. */
static const char *const bulky[] = {
    "Args",
    "Author",
    "Cmd",
    "Command",
    "Comment",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Health",
    "Healthcheck",
    "HostConfig",
    "Mounts",
    "OnBuild",
    "Path",
    "Ports",
    "Shell",
    "Volumes",
    "ContainerConfig",
    "NetworkSettings",
    NULL,
};

const struct docker_sieve_rule docker_owner_label = {
    .object = "Labels", .keep = RUNTIME_OWNER_LABEL "\"", .emptied = bulky};
const struct docker_sieve_rule docker_edge_labels = {.object = "Labels",
                                                     .keep = "net.azure-devices.edge.",
                                                     .emptied = bulky,
                                                     .room = EDGE_LABELS_ROOM,
                                                     .always = RUNTIME_OWNER_LABEL};
const struct docker_sieve_rule docker_no_labels = {.object = "Labels", .emptied = bulky};

void docker_sieve_init(struct docker_sieve *s, const struct docker_sieve_rule *rule) {
    *s = (struct docker_sieve){.rule = rule, .state = OUTSIDE};
}

static void keep_name(struct docker_sieve *s, char c, bool begins) {
    if (begins) {
        s->name_len = 0;
    } else if (s->quote.inside) {
        if (s->name_len < sizeof(s->name)) {
            s->name[s->name_len] = c;
        }
        s->name_len++;
    } else {
        s->state = AFTER_STRING;
    }
}

static bool is_name(const struct docker_sieve *s, const char *name) {
    return s->name_len == strlen(name) && s->name_len <= sizeof(s->name) &&
           memcmp(s->name, name, s->name_len) == 0;
}

static bool is_emptied(const struct docker_sieve *s) {
    const char *const *name = s->rule->emptied;
    while (name != NULL && *name != NULL && !is_name(s, *name)) {
        name++;
    }
    return name != NULL && *name != NULL;
}

static enum fate step_outside(struct docker_sieve *s, char c) {
    bool begins = !s->quote.inside;
    if (docker_quote_step(&s->quote, c)) {
        s->state = OUTSIDE;
        keep_name(s, c, begins);
    } else if (docker_quote_is_blank(c)) {
        /* between a name and its value as well */
    } else if (s->state == AFTER_STRING && c == ':' && is_name(s, s->rule->object)) {
        s->state = BEFORE_VALUE;
    } else if (s->state == AFTER_STRING && c == ':' && is_emptied(s)) {
        s->state = BEFORE_EMPTIED;
        s->depth = 0;
    } else if (s->state == BEFORE_VALUE && c == '{') {
        s->state = BEFORE_NAME;
        s->any = false;
        s->depth = 0;
        s->passed = 0;
    } else {
        s->state = OUTSIDE;
    }
    return PASSES;
}

static enum fate step_before_name(struct docker_sieve *s, char c) {
    if (c == '}') {
        s->state = OUTSIDE;
        return PASSES;
    }
    if (c == '"') {
        (void)docker_quote_step(&s->quote, c);
        s->matched = 0;
        s->state = s->rule->keep != NULL ? IN_NAME : DROPPING;
    }
    return GOES;
}

static enum fate step_in_name(struct docker_sieve *s, char c) {
    (void)docker_quote_step(&s->quote, c);
    if (c != s->rule->keep[s->matched]) {
        s->state = DROPPING;
        return GOES;
    }
    s->matched++;
    if (s->rule->keep[s->matched] != '\0') {
        return GOES;
    }
    s->state = PASSING;
    return BEGINS_MEMBER;
}

/* Not before its name is there, unless that is too long itself. */
static bool is_out_of_room(struct docker_sieve *s, bool in_string) {
    s->member_len++;
    s->named = s->named || !in_string || s->member_len > NAME_LEN;
    return s->rule->room > 0 && s->named && s->passed + s->member_len > s->rule->room;
}

/* The end of the member is that of the object, or a comma. */
static enum fate step_member(struct docker_sieve *s, char c) {
    bool in_string = docker_quote_step(&s->quote, c);
    enum fate fate = s->state == DROPPING           ? GOES
                     : is_out_of_room(s, in_string) ? TAKES_BACK
                                                    : PASSES;
    if (in_string) {
        return fate;
    }
    if (c == '{' || c == '[') {
        s->depth++;
    } else if (s->depth > 0 && (c == '}' || c == ']')) {
        s->depth--;
    } else if (s->depth == 0 && c == ',') {
        s->passed += s->state == PASSING ? s->member_len : 0;
        s->state = BEFORE_NAME;
        return GOES;
    } else if (s->depth == 0 && c == '}') {
        s->state = OUTSIDE;
        return PASSES;
    }
    return fate;
}

/* The end of the value is that of what it is in, or a comma. */
static enum fate step_emptied(struct docker_sieve *s, char c) {
    if (docker_quote_step(&s->quote, c)) {
        return GOES;
    }
    if (c == '{' || c == '[') {
        s->depth++;
    } else if (s->depth > 0 && (c == '}' || c == ']')) {
        s->depth--;
    } else if (s->depth == 0 && (c == ',' || c == '}' || c == ']')) {
        s->state = OUTSIDE;
        return PASSES;
    }
    return GOES;
}

static enum fate step_before_emptied(struct docker_sieve *s, char c) {
    if (docker_quote_is_blank(c)) {
        return PASSES;
    }
    s->state = EMPTYING;
    return step_emptied(s, c) == GOES ? BEGINS_NULL : PASSES;
}

static enum fate step(struct docker_sieve *s, char c) {
    switch ((enum state)s->state) {
    case BEFORE_NAME:
        return step_before_name(s, c);
    case IN_NAME:
        return step_in_name(s, c);
    case PASSING:
    case DROPPING:
        return step_member(s, c);
    case BEFORE_EMPTIED:
        return step_before_emptied(s, c);
    case EMPTYING:
        return step_emptied(s, c);
    case OUTSIDE:
    case AFTER_STRING:
    case BEFORE_VALUE:
        break;
    }
    return step_outside(s, c);
}

static enum edge_code begin_member(struct docker_sieve *s, struct buf *out,
                                   struct edge_error *err) {
    s->begun = out->len;
    s->any_before = s->any;
    enum edge_code code = buf_append_str(out, s->any ? ",\"" : "\"", err);
    s->any = true;
    if (code == EDGE_OK) {
        code = buf_append_str(out, s->rule->keep, err);
    }
    s->member_len = out->len - s->begun;
    s->named = false;
    return code;
}

static bool passes_always(const struct docker_sieve *s, const struct buf *out) {
    const size_t at = s->begun + (s->any_before ? 2 : 1); /* the quote, and a comma */
    const size_t len = s->rule->always != NULL ? strlen(s->rule->always) : 0;
    return len > 0 && out->len - at > len && memcmp(out->data + at, s->rule->always, len) == 0 &&
           out->data[at + len] == '"';
}

static enum edge_code take_back(struct docker_sieve *s, char c, struct buf *out,
                                struct edge_error *err) {
    if (passes_always(s, out)) {
        return buf_append(out, &c, 1, err);
    }
    buf_truncate(out, s->begun);
    s->any = s->any_before;
    s->state = DROPPING;
    return EDGE_OK;
}

static enum edge_code replace(struct docker_sieve *s, enum fate fate, char c, struct buf *out,
                              struct edge_error *err) {
    switch (fate) {
    case BEGINS_MEMBER:
        return begin_member(s, out, err);
    case BEGINS_NULL:
        return buf_append_str(out, "null", err);
    case TAKES_BACK:
        return take_back(s, c, out, err);
    case PASSES:
    case GOES:
        break;
    }
    return EDGE_OK;
}

enum edge_code docker_sieve_feed(struct docker_sieve *s, struct slice bytes, struct buf *out,
                                 struct edge_error *err) {
    size_t start = 0; /* of what passes and has not been appended */
    enum edge_code code = EDGE_OK;

    for (size_t i = 0; i < bytes.len && code == EDGE_OK; i++) {
        enum fate fate = step(s, bytes.ptr[i]);
        if (fate == PASSES) {
            continue;
        }
        code = buf_append(out, bytes.ptr + start, i - start, err);
        start = i + 1;
        if (code == EDGE_OK) {
            code = replace(s, fate, bytes.ptr[i], out, err);
        }
    }
    return code != EDGE_OK ? code : buf_append(out, bytes.ptr + start, bytes.len - start, err);
}
