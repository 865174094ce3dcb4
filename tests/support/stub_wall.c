/* SPDX-License-Identifier: MIT */
#include "support/stub_wall.h"

#include "base/clock.h"

#include <stdio.h>

bool wall_is_usable(const struct wall *w) {
    return w == NULL || !w->is_wrong;
}

int64_t wall_now_s(const struct wall *w) {
    return clock_wall_s() + (w != NULL ? w->offset_s : 0);
}

void wall_describe(const struct wall *w, char *out, size_t size) {
    (void)w;
    (void)snprintf(out, size, "%s", STUB_WALL_TEXT);
}

void wall_hint(struct wall *w, int64_t date_wall_s) {
    if (w == NULL) {
        return;
    }
    w->hint_cnt++;
    w->hint_wall_s = date_wall_s;
    if (w->takes_hints) {
        w->offset_s = date_wall_s - clock_wall_s();
        w->is_wrong = false;
    }
}
