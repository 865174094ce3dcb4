/* SPDX-License-Identifier: MIT */
/*
 * What operators are told of the authorities. Pure.
 */
#ifndef PKI_KEEPER_STATUS_H
#define PKI_KEEPER_STATUS_H

#include "pki/authorities.h"
#include "pki/pki.h"

#include <stdint.h>

/* Everything but the note. */
void keeper_status_fill(const struct authorities *a, int64_t life_s, struct pki_status *ret);

#endif
