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
foreach(name module_change mgmt_module_acts mgmt_module_specs mgmt_logs mgmt_resources)
  edge_unit_test(test_${name} LIBS edge_api
                 SOURCES modules_world.c ${api_support}
                         ${CMAKE_SOURCE_DIR}/tests/support/fake_runtime.c)
endforeach()
edge_unit_test(test_stats_gather LIBS edge_api
               SOURCES ${CMAKE_SOURCE_DIR}/tests/support/fake_loop.c
                       ${CMAKE_SOURCE_DIR}/tests/support/fake_runtime.c)
edge_unit_test(test_host_facts LIBS edge_api)
edge_unit_test(test_host_disks LIBS edge_api
               SOURCES ${CMAKE_SOURCE_DIR}/tests/support/fake_loop.c)
edge_unit_test(test_host_usage LIBS edge_api)
edge_unit_test(test_log_time LIBS edge_api)
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

# The integration tests compare their table of routes with it.
add_executable(route_list ${CMAKE_SOURCE_DIR}/tests/support/route_list.c)
target_link_libraries(route_list PRIVATE edge_flags edge_api)
