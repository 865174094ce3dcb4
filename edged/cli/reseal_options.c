/* SPDX-License-Identifier: MIT */
/*
 * Which options go together, and the values of PCRs that an operator knows before they come about.
 */
#include "cli/reseal_options.h"

#include "base/b64.h"

#include <string.h>

static const char *wrong_together(const struct reseal_options *o) {
    int actions = o->suspend + o->recover + o->abandon + o->show;
    if (actions > 1) {
        return "--suspend, --recover, --abandon and --show exclude each other";
    }
    if (o->also.cnt > 0 && actions > 0) {
        return "--also goes without --suspend, --recover, --abandon and --show";
    }
    if (o->recovery_file != NULL && actions > 0 && !o->recover) {
        return "--recovery-file has no meaning here";
    }
    return o->yes && !o->abandon ? "--yes belongs to --abandon" : NULL;
}

int reseal_options_parse(int argc, char **argv, const char *help, struct reseal_options *ret) {
    const struct cli_option own[] = {{.name = "also", .values = &ret->also},
                                     {.name = "recovery-file", .value = &ret->recovery_file},
                                     {.name = "suspend", .flag = &ret->suspend},
                                     {.name = "recover", .flag = &ret->recover},
                                     {.name = "abandon", .flag = &ret->abandon},
                                     {.name = "show", .flag = &ret->show},
                                     {.name = "yes", .flag = &ret->yes}};
    const struct cli_options options = {.help = help,
                                        .own = own,
                                        .cnt = EDGE_ARRAY_LEN(own),
                                        .no_operand =
                                            "a recovery code is never taken from the command line"};
    int status = cli_options_parse(argc, argv, &options, &ret->cli);
    const char *wrong = status == CLI_GO_ON ? wrong_together(ret) : NULL;
    return wrong != NULL ? cli_misuse(&ret->cli, "%s", wrong) : status;
}

static enum edge_code parse_planned(const char *text, uint32_t pcrs, struct hsm_pcr_value *ret,
                                    struct edge_error *err) {
    struct slice number, hex;
    uint64_t pcr = 0;
    struct buf digest;
    buf_init(&digest, HSM_PCR_LEN);
    bool ok = slice_cut(slice_str(text), '=', &number, &hex) &&
              slice_parse_u64(number, CONFIG_PCR_MAX, &pcr) &&
              hex_decode(hex, &digest, NULL) == EDGE_OK && digest.len == HSM_PCR_LEN;
    if (ok) {
        ret->pcr = (uint32_t)pcr;
        memcpy(ret->digest, digest.data, HSM_PCR_LEN);
    }
    buf_clear(&digest);
    if (!ok) {
        return edge_set(err, EDGE_INVALID,
                        "'--also %.96s' is not PCR=VALUE with 64 hex digits of the SHA-256 bank",
                        text);
    }
    return (pcrs >> pcr & 1) != 0
               ? EDGE_OK
               : edge_set(err, EDGE_INVALID, "--also names PCR %u, which tpm.pcrs does not have",
                          (unsigned)pcr);
}

static enum edge_code add_planned(const struct reseal_options *o, struct store_change *ret,
                                  struct edge_error *err) {
    enum edge_code code = EDGE_OK;
    for (size_t i = 0; i < o->also.cnt && code == EDGE_OK; i++) {
        struct hsm_pcr_value value;
        code = parse_planned(o->also.items[i], ret->pcrs, &value, err);
        for (size_t k = 0; k < ret->planned_cnt && code == EDGE_OK; k++) {
            if (ret->planned[k].pcr == value.pcr) {
                code = edge_set(err, EDGE_INVALID, "--also names PCR %u twice", value.pcr);
            }
        }
        if (code == EDGE_OK) {
            ret->planned[ret->planned_cnt++] = value;
        }
    }
    return code;
}

enum edge_code reseal_options_change(const struct reseal_options *o, const struct edge_config *cfg,
                                     struct store_change *ret, struct edge_error *err) {
    ret->action = o->suspend   ? STORE_SUSPEND
                  : o->recover ? STORE_RECOVER
                  : o->abandon ? STORE_ABANDON
                               : STORE_BIND;
    bool binds = ret->action == STORE_BIND || ret->action == STORE_RECOVER;
    ret->pcrs = binds ? cfg->tpm_pcrs : 0;
    if (ret->action == STORE_BIND && ret->pcrs == 0) {
        return edge_set(err, EDGE_INVALID,
                        "tpm.pcrs is not set in %.128s: set the PCRs to bind the store to, as in "
                        "pcrs: [0, 2, 7]",
                        cfg->file);
    }
    return add_planned(o, ret, err);
}
