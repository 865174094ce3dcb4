/* SPDX-License-Identifier: MIT */
/*
 * Where a private key lies, as answers and the command line name it.
 */
#ifndef PROVISIONING_KEY_PLACE_H
#define PROVISIONING_KEY_PLACE_H

#define KEY_PLACE_TPM    "tpm"    /* in the TPM, or under a key that never leaves it */
#define KEY_PLACE_SEALED "sealed" /* on disk under the TPM's store key, used in memory */
#define KEY_PLACE_FILE   "file"   /* of the soft backend */

#endif
