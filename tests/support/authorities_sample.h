/* SPDX-License-Identifier: MIT */
/*
 * Authorities with something in every field. Each function fails the cmocka test when it cannot.
 */
#ifndef SUPPORT_AUTHORITIES_SAMPLE_H
#define SUPPORT_AUTHORITIES_SAMPLE_H

#include "pki/authorities.h"

#include <stdint.h>
#include <stdlib.h>

#define AUTHORITIES_SAMPLE_NOW ((int64_t)1800000000)

/* A quickstart chain, one former owner CA that has signed for the present one, and a root of
 * release 1.1. */
void authorities_sample(struct authorities *ret);

/* A self-signed CA; freed with free(). */
char *authorities_sample_pem(const char *common_name, int64_t from_wall_s, int64_t to_wall_s);

#endif
