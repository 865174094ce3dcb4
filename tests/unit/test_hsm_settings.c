/* SPDX-License-Identifier: MIT */
#include "provisioning/hsm_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_settings(void **state) {
    static char tcti[] = "t", owner[] = "o", endorsement[] = "e";
    struct edge_config cfg = {.hsm_backend = CONFIG_HSM_TPM,
                              .tpm_tcti = tcti,
                              .tpm_allow_emulator = true,
                              .tpm_owner_auth_file = owner,
                              .tpm_endorsement_auth_file = endorsement,
                              .tpm_ek_template = CONFIG_EK_LEGACY_UNIQUE0};
    (void)state;
    struct hsm_config hc = hsm_settings(&cfg, "/keys");
    assert_int_equal(hc.backend, HSM_BACKEND_TPM);
    assert_int_equal(hc.ek_template, HSM_EK_LEGACY_UNIQUE0);
    assert_string_equal(hc.state_dir, "/keys");
    assert_ptr_equal(hc.tcti, tcti);
    assert_ptr_equal(hc.owner_auth_file, owner);
    assert_ptr_equal(hc.endorsement_auth_file, endorsement);
    assert_true(hc.allow_emulator);
    cfg = (struct edge_config){.hsm_backend = CONFIG_HSM_SOFT};
    hc = hsm_settings(&cfg, NULL);
    assert_int_equal(hc.backend, HSM_BACKEND_SOFT);
    assert_int_equal(hc.ek_template, HSM_EK_TCG_L1);
    assert_null(hc.state_dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_settings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
