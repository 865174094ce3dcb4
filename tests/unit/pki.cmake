# The certificate authorities.
edge_unit_test(test_legacy LIBS edge_pki PkgConfig::CRYPTO
  SOURCES ${CMAKE_SOURCE_DIR}/tests/support/fake_hsm.c ${CMAKE_SOURCE_DIR}/tests/support/certs.c
          ${CMAKE_SOURCE_DIR}/tests/support/legacy_pki.c
          ${CMAKE_SOURCE_DIR}/tests/support/legacy_state.c)
# The certificate authorities and what they issue. Fakes stand in for the loop and the key store.
set(pki_fakes certs.c fake_hsm.c pki_env.c)
list(TRANSFORM pki_fakes PREPEND ${CMAKE_SOURCE_DIR}/tests/support/)

foreach(name test_names test_pem)
  edge_unit_test(${name} LIBS edge_pki PkgConfig::CRYPTO)
endforeach()
foreach(name test_profile test_issue test_issuer test_signer test_leaf_key test_leaf
             test_leaf_openssl)
  edge_unit_test(${name} LIBS edge_pki PkgConfig::CRYPTO SOURCES ${pki_fakes})
endforeach()
edge_unit_test(test_leaf_pool LIBS edge_pki PkgConfig::CRYPTO
  SOURCES ${CMAKE_SOURCE_DIR}/tests/support/fake_loop.c WRAP leaf_key_make)

set(pki_support authorities_sample.c ca_certs.c fake_hsm.c)
list(TRANSFORM pki_support PREPEND ${CMAKE_SOURCE_DIR}/tests/support/)
foreach(name authorities bundle ca_make chain chain_check keeper_keys keeper_status pem_certs
             renew)
  edge_unit_test(test_${name} LIBS edge_pki PkgConfig::CRYPTO SOURCES ${pki_support})
endforeach()
set(pki_world fake_loop.c fake_wall.c pki_world.c)
list(TRANSFORM pki_world PREPEND ${CMAKE_SOURCE_DIR}/tests/support/)
foreach(name pki pki_bundle)
  edge_unit_test(test_${name} LIBS edge_pki PkgConfig::CRYPTO SOURCES ${pki_support} ${pki_world})
endforeach()
edge_unit_test(test_pki_issue LIBS edge_pki PkgConfig::CRYPTO SOURCES ${pki_support} ${pki_world}
               WRAP leaf_key_make)
edge_unit_test(test_authorities_file LIBS edge_pki PkgConfig::CRYPTO SOURCES ${pki_support}
               WRAP renameat)
edge_unit_test(test_quickstart LIBS edge_pki PkgConfig::CRYPTO
  SOURCES ${pki_support} ${CMAKE_SOURCE_DIR}/tests/support/certs.c
          ${CMAKE_SOURCE_DIR}/tests/support/legacy_pki.c
          ${CMAKE_SOURCE_DIR}/tests/support/legacy_state.c)
# With real key files.
edge_unit_test(test_keeper_kill LIBS edge_pki PkgConfig::CRYPTO
  SOURCES ${CMAKE_SOURCE_DIR}/tests/support/ca_certs.c
          ${CMAKE_SOURCE_DIR}/tests/support/keeper_world.c
  WRAP renameat unlinkat)
edge_unit_test(test_keeper LIBS edge_pki PkgConfig::CRYPTO
  SOURCES ${pki_support} ${CMAKE_SOURCE_DIR}/tests/support/keeper_world.c WRAP hsm_key_sign)
edge_unit_test(test_operator LIBS edge_pki PkgConfig::CRYPTO
  SOURCES ${pki_support} ${CMAKE_SOURCE_DIR}/tests/support/keeper_world.c)
