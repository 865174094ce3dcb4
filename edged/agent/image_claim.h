/* SPDX-License-Identifier: MIT */
/*
 * What of an image is ours to take away. Pure.
 */
#ifndef AGENT_IMAGE_CLAIM_H
#define AGENT_IMAGE_CLAIM_H

#include "runtime/runtime.h"

enum image_claim {
    IMAGE_CLAIM_GONE, /* it does not have our name any more, and somebody else's */
    IMAGE_CLAIM_KEPT, /* edgeAgent begins with it */
    IMAGE_CLAIM_OURS,
};

/* Of an image that our pull gave this name (in full); bootstrap: likewise a name in full, or "".
 * When OURS, ret_target is what the engine has to remove: the id when nobody but us has named the
 * image, so that no other image can be hit whose the name has become meanwhile; else the name. */
enum image_claim image_claim_of(const char *name, const struct runtime_image *image,
                                const char *bootstrap, char ret_target[RUNTIME_IMAGE_MAX + 1]);

#endif
