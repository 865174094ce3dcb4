/* SPDX-License-Identifier: MIT */
/*
 * Stand-in for the clients' part of wall.h: the test says whether the clock can be used, and sees
 * the hints.
 */
#ifndef SUPPORT_STUB_WALL_H
#define SUPPORT_STUB_WALL_H

#include "loop/wall.h"

struct wall {
    bool is_wrong;
    bool takes_hints; /* a hint corrects the clock */
    int64_t offset_s;
    int64_t hint_wall_s; /* the last one, 0: none */
    unsigned hint_cnt;
};

#define STUB_WALL_TEXT "the clock shows a time long gone"

#endif
