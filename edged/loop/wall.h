/* SPDX-License-Identifier: MIT */
/*
 * How far the wall clock can be trusted. A device without a battery-backed clock boots in 1970 or
 * at some fixed date; a token made then is refused, or worse, valid in a future nobody meant. This
 * object keeps the last time the device is known to have lived through in the file WALL_FILE of
 * the state directory, asks the kernel whether a time service keeps the clock, hears of steps of
 * the clock from the kernel, and takes hints from verified peers.
 *
 * Nothing here sets the clock. One timer, for the hourly save; no polling. Everything on the loop
 * thread; the file is read and written on the worker.
 */
#ifndef LOOP_WALL_H
#define LOOP_WALL_H

#include "base/error.h"
#include "loop/loop.h"
#include "loop/worker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WALL_FILE         "clock"
#define WALL_LISTENER_MAX 8
#define WALL_TEXT_LEN     400 /* room for what wall_describe writes */
#define WALL_HINT_S       300 /* a verified peer's time that differs by no more is agreement */
#define WALL_SAVE_MS      (60u * 60 * 1000)

enum wall_state {
    WALL_UNKNOWN,   /* the last-known time has not been read yet */
    WALL_PLAUSIBLE, /* nothing speaks against the clock */
    WALL_SYNCED,    /* the kernel says that a time service keeps it */
    WALL_CORRECTED, /* off, but a verified peer told by how much: wall_now_s is right */
    WALL_WRONG,     /* earlier than a time this device has already lived through (or than the
                       release), nothing to correct it by */
};

struct wall;

/* w: the worker for file access; state_dir is copied; both outlive the object. */
enum edge_code wall_new(struct loop *l, struct worker *w, const char *state_dir, struct wall **ret,
                        struct edge_error *err) EDGE_NODISCARD;

/* Reads the last-known time on the worker; then watches for steps and saves hourly. The state
 * leaves WALL_UNKNOWN later, in a callback, whatever the file holds; listeners are told. Errors:
 * NOMEM, BUSY, INTERNAL (started twice). A kernel without the timer is not an error: steps are then
 * noticed at the hourly save and at hints only. */
enum edge_code wall_start(struct wall *w, struct edge_error *err) EDGE_NODISCARD;

/* fn is called when the state has changed or the clock was stepped, on the loop thread; it may ask
 * everything here, but not free or stop. RANGE beyond WALL_LISTENER_MAX. */
enum edge_code wall_on_change(struct wall *w, void (*fn)(void *data), void *data,
                              struct edge_error *err) EDGE_NODISCARD;

enum wall_state wall_get_state(const struct wall *w); /* NULL: PLAUSIBLE */
const char *wall_state_name(enum wall_state s);       /* "plausible", ... */

/* PLAUSIBLE, SYNCED, CORRECTED. NULL: true, for tests and tools. */
bool wall_is_usable(const struct wall *w);

/* Somebody vouches for the time: SYNCED, CORRECTED, or a verified peer agrees with the clock. What
 * cannot be taken back waits for this. NULL: true. */
bool wall_is_trusted(const struct wall *w);

/* Best estimate of the time. NULL: the clock. */
int64_t wall_now_s(const struct wall *w);

/* All of these by one look, which asks the kernel once. */
struct wall_time {
    int64_t now_s;
    bool is_usable;
    bool is_trusted;
};
struct wall_time wall_get_time(const struct wall *w);

/* One sentence for log and status: what the clock shows, what is known, what is waited for. */
void wall_describe(const struct wall *w, char *out, size_t size);

/* The Date of a TLS-verified answer that has just come. NULL wall: nothing. Dates before the
 * release are ignored. */
void wall_hint(struct wall *w, int64_t date_wall_s);

/* Writes the last-known time, closes what is open and calls stopped() in a later callback. Once.
 * When the worker takes no job any more, the time is not written. */
void wall_stop(struct wall *w, void (*stopped)(void *data), void *data);

/* After stopped() has run, or when never started. NULL allowed. */
void wall_free(struct wall *w);

/* Test seam: what the kernel says of the clock, as adjtimex(2) with modes 0: true when STA_UNSYNC
 * is clear. NULL restores the kernel. */
struct wall_kernel {
    bool (*is_synced)(void *data);
    void *data;
};
void wall_set_kernel(const struct wall_kernel *kernel);

#endif
