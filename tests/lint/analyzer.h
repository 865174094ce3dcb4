/* SPDX-License-Identifier: MIT */
/*
 * Put in front of every source for the static analyzer, which does not look into other files: that
 * these functions return an error.
 */
#ifndef LINT_ANALYZER_H
#define LINT_ANALYZER_H

#include "base/error.h"
#include "base/ossl.h"

#define edge_set(err, code, ...)        ((void)edge_set((err), (code), __VA_ARGS__), (code))
#define edge_set_native(err, code, ...) ((void)edge_set_native((err), (code), __VA_ARGS__), (code))
#define ossl_failed(code, what, err)    ((void)ossl_failed((code), (what), (err)), (code))

#endif
