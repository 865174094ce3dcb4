/* SPDX-License-Identifier: MIT */
/*
 * Keeps the daemon small on devices with little memory.
 */
#ifndef EDGED_FOOTPRINT_H
#define EDGED_FOOTPRINT_H

/* Before the first thread: one heap for both threads instead of one each. */
void footprint_limit(void);

/* Once start-up is over: gives back the pages that only start-up needed - free heap, and code and
 * constants of libraries, most of which are dependencies of libcurl for protocols that are never
 * spoken. What is needed again comes back from the page cache on first use. */
void footprint_trim(void);

#endif
