set(api_support ${CMAKE_SOURCE_DIR}/tests/support/fake_exchange.c)
edge_unit_test(test_workload_crypto LIBS edge_api SOURCES ${api_support})
edge_unit_test(test_workload_encrypt LIBS edge_api
               SOURCES ${api_support} ${CMAKE_SOURCE_DIR}/tests/support/fake_module_crypt.c)
edge_unit_test(test_workload_certs LIBS edge_api
               SOURCES ${api_support} ${CMAKE_SOURCE_DIR}/tests/support/fake_pki.c
                       ${CMAKE_SOURCE_DIR}/tests/support/fake_wall.c)
edge_unit_test(test_mgmt_identities LIBS edge_api SOURCES ${api_support})
edge_unit_test(test_mgmt_modules LIBS edge_api SOURCES ${api_support})
edge_unit_test(test_mgmt_system LIBS edge_api SOURCES ${api_support})
edge_unit_test(test_api_error LIBS edge_api SOURCES ${api_support})
set(api_support ${api_support} ${CMAKE_SOURCE_DIR}/tests/support/fake_loop.c
    ${CMAKE_SOURCE_DIR}/tests/support/fake_wall.c)
edge_unit_test(test_module_change LIBS edge_api
               SOURCES ${api_support} ${CMAKE_SOURCE_DIR}/tests/support/fake_runtime.c)
edge_unit_test(test_mgmt_module_acts LIBS edge_api
               SOURCES ${api_support} ${CMAKE_SOURCE_DIR}/tests/support/fake_runtime.c)
edge_unit_test(test_mgmt_module_specs LIBS edge_api
               SOURCES ${api_support} ${CMAKE_SOURCE_DIR}/tests/support/fake_runtime.c)
edge_unit_test(test_mgmt_logs LIBS edge_api
               SOURCES ${api_support} ${CMAKE_SOURCE_DIR}/tests/support/fake_runtime.c)
edge_unit_test(test_mgmt_resources LIBS edge_api
               SOURCES ${api_support} ${CMAKE_SOURCE_DIR}/tests/support/fake_runtime.c)
edge_unit_test(test_stats_gather LIBS edge_api
               SOURCES ${CMAKE_SOURCE_DIR}/tests/support/fake_loop.c
                       ${CMAKE_SOURCE_DIR}/tests/support/fake_runtime.c)
edge_unit_test(test_host_facts LIBS edge_api)
edge_unit_test(test_host_usage LIBS edge_api)
edge_unit_test(test_log_time LIBS edge_api)
edge_unit_test(test_module_env LIBS edge_api)
edge_unit_test(test_module_spec LIBS edge_api)
edge_unit_test(test_mgmt_status LIBS edge_api
               SOURCES ${api_support} ${CMAKE_SOURCE_DIR}/tests/support/fake_pki.c)
edge_unit_test(test_mgmt_reprovision LIBS edge_api SOURCES ${api_support})
edge_unit_test(test_mgmt_key LIBS edge_api SOURCES ${api_support})
edge_unit_test(test_mgmt_token LIBS edge_api SOURCES ${api_support})
edge_unit_test(test_mgmt_seal LIBS edge_api PkgConfig::CRYPTO
  SOURCES ${api_support} ${CMAKE_SOURCE_DIR}/tests/support/fake_hsm.c
          ${CMAKE_SOURCE_DIR}/tests/support/fake_module_crypt.c
          ${CMAKE_SOURCE_DIR}/tests/support/fake_pki.c)
edge_unit_test(test_mgmt_ca_key LIBS edge_api PkgConfig::CRYPTO
  SOURCES ${api_support} ${CMAKE_SOURCE_DIR}/tests/support/fake_hsm.c
          ${CMAKE_SOURCE_DIR}/tests/support/certs.c ${CMAKE_SOURCE_DIR}/tests/support/fake_pki.c)
edge_unit_test(test_api_routes LIBS edge_api)
