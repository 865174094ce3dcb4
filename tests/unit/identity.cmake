foreach(name test_module_cache test_module_key test_module_legacy test_identities test_reconcile test_reconcile_state)
  edge_unit_test(${name} LIBS edge_identity SOURCES ${cloud_fakes})
endforeach()
foreach(name test_module_crypt test_module_crypt_master test_module_crypt_text)
  edge_unit_test(${name} LIBS edge_identity PkgConfig::CRYPTO
                 SOURCES ${cloud_fakes} ${CMAKE_SOURCE_DIR}/tests/support/legacy_state.c)
endforeach()
edge_unit_test(test_takeover_cut LIBS edge_identity edge_provisioning PkgConfig::CRYPTO
               SOURCES ${CMAKE_SOURCE_DIR}/tests/support/legacy_state.c
               WRAP renameat unlinkat fsync write)
