# The key store without a TPM; what needs one is in tests/integration/hsm.
function(edge_hsm_unit_test name)
  edge_unit_test(${name} LIBS edge_hsm PkgConfig::TSS PkgConfig::CRYPTO ${ARGN})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/hsm")
endfunction()

edge_hsm_unit_test(test_hsm_auth_file)
edge_hsm_unit_test(test_hsm_store)
edge_hsm_unit_test(test_soft_backend Threads::Threads)
edge_hsm_unit_test(test_tpm_blob SOURCES "${PROJECT_SOURCE_DIR}/tests/support/dps_blob.c")
edge_hsm_unit_test(test_tpm_cert)
edge_hsm_unit_test(test_tpm_node WRAP open)
edge_hsm_unit_test(test_tpm_public)
edge_hsm_unit_test(test_tpm_rc)
edge_hsm_unit_test(test_tpm_tcti SOURCES "${PROJECT_SOURCE_DIR}/tests/support/fake_tcti.c"
  WRAP Tss2_TctiLdr_Initialize Tss2_TctiLdr_Finalize nanosleep poll __poll_chk)
edge_hsm_unit_test(test_tpm_tmpl)
