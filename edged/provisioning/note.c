/* SPDX-License-Identifier: MIT */
/*
 * Notes about the state on disk. A note that is full is cut.
 */
#include "provisioning/note.h"

#include <stdio.h>
#include <string.h>

void note_add(char *note, size_t size, const char *text, const char *detail) {
    size_t used = strlen(note);
    (void)snprintf(note + used, size - used, "%s%s%s", used > 0 ? "; " : "", text, detail);
}

enum edge_code note_read(int dirfd, const char *name, size_t max, checked_decode_fn *decode,
                         void *ret, char *note, size_t note_size, struct edge_error *err) {
    struct edge_error why;
    enum edge_code code = checked_read(dirfd, name, max, decode, ret, &why);
    if (code == EDGE_PARSE) {
        note_add(note, note_size, edge_error_text(&why), "");
    }
    if (code == EDGE_OK || code == EDGE_NOT_FOUND || code == EDGE_PARSE) {
        return EDGE_OK;
    }
    return edge_set(err, code, "reading the saved file '%s': %s", name, edge_error_text(&why));
}
