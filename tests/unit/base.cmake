edge_unit_test(test_aead LIBS edge_base PkgConfig::CRYPTO
               SOURCES ${CMAKE_SOURCE_DIR}/tests/support/legacy_state.c)
edge_unit_test(test_b64 LIBS edge_base)
edge_unit_test(test_buf LIBS edge_base WRAP free)
edge_unit_test(test_checked LIBS edge_base)
edge_unit_test(test_clock LIBS edge_base)
edge_unit_test(test_der LIBS edge_base PkgConfig::CRYPTO)
edge_unit_test(test_env LIBS edge_base)
edge_unit_test(test_error LIBS edge_base)
edge_unit_test(test_fs LIBS edge_base
  WRAP write read fsync fchmod renameat openat getrandom readdir geteuid)
edge_unit_test(test_fs_wipe LIBS edge_base WRAP openat renameat unlinkat)
edge_unit_test(test_json LIBS edge_base PkgConfig::CJSON)
edge_unit_test(test_json_scan LIBS edge_base)
edge_unit_test(test_json_write LIBS edge_base PkgConfig::CJSON)
edge_unit_test(test_legacy_files LIBS edge_base PkgConfig::CRYPTO
               SOURCES ${CMAKE_SOURCE_DIR}/tests/support/legacy_state.c)
edge_unit_test(test_list LIBS edge_base)
edge_unit_test(test_lock LIBS edge_base WRAP flock)
edge_unit_test(test_log LIBS edge_base Threads::Threads WRAP write)
edge_unit_test(test_mac LIBS edge_base PkgConfig::CRYPTO Threads::Threads)
edge_unit_test(test_map LIBS edge_base WRAP getrandom)
edge_unit_test(test_ossl LIBS edge_base PkgConfig::CRYPTO)
edge_unit_test(test_pct LIBS edge_base)
edge_unit_test(test_proc_stat LIBS edge_base)
edge_unit_test(test_secret LIBS edge_base)
edge_unit_test(test_slice LIBS edge_base)
edge_unit_test(test_wipe LIBS edge_base PkgConfig::CRYPTO WRAP free)
edge_unit_test(test_x509 LIBS edge_base PkgConfig::CRYPTO
  SOURCES ${CMAKE_SOURCE_DIR}/tests/support/certs.c)
edge_unit_test(test_x509_key LIBS edge_base PkgConfig::CRYPTO
  SOURCES ${CMAKE_SOURCE_DIR}/tests/support/certs.c)
edge_unit_test(test_x509_pem LIBS edge_base PkgConfig::CRYPTO
  SOURCES ${CMAKE_SOURCE_DIR}/tests/support/ca_certs.c)
