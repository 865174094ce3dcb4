edge_fuzz_target(fuzz_activation_blob LIBS edge_hsm PkgConfig::TSS)
target_include_directories(fuzz_activation_blob PRIVATE "${PROJECT_SOURCE_DIR}/hsm")

# The TPM that answers is the input: it takes the place of the TCTI loader.
edge_fuzz_target(fuzz_tpm_rsp LIBS edge_hsm PkgConfig::TSS PkgConfig::CRYPTO
  SOURCES "${PROJECT_SOURCE_DIR}/tests/support/fake_tcti.c")
target_include_directories(fuzz_tpm_rsp PRIVATE "${PROJECT_SOURCE_DIR}/tests")
target_link_options(fuzz_tpm_rsp PRIVATE
  "LINKER:--wrap=Tss2_TctiLdr_Initialize" "LINKER:--wrap=Tss2_TctiLdr_Finalize"
  "LINKER:--wrap=nanosleep")

edge_fuzz_target(fuzz_store_key LIBS edge_hsm PkgConfig::TSS)
target_include_directories(fuzz_store_key PRIVATE "${PROJECT_SOURCE_DIR}/hsm")

edge_fuzz_target(fuzz_pkcs8 LIBS edge_hsm PkgConfig::TSS PkgConfig::CRYPTO)
target_include_directories(fuzz_pkcs8 PRIVATE "${PROJECT_SOURCE_DIR}/hsm")
