set(api_support ${CMAKE_SOURCE_DIR}/tests/support/fake_exchange.c)
edge_unit_test(test_workload_crypto LIBS edge_api SOURCES ${api_support})
edge_unit_test(test_workload_certs LIBS edge_api
               SOURCES ${api_support} ${CMAKE_SOURCE_DIR}/tests/support/fake_loop.c)
edge_unit_test(test_mgmt_identities LIBS edge_api SOURCES ${api_support})
edge_unit_test(test_mgmt_system LIBS edge_api SOURCES ${api_support})
edge_unit_test(test_api_error LIBS edge_api SOURCES ${api_support})
set(api_support ${api_support} ${CMAKE_SOURCE_DIR}/tests/support/fake_loop.c
    ${CMAKE_SOURCE_DIR}/tests/support/fake_wall.c)
edge_unit_test(test_mgmt_status LIBS edge_api SOURCES ${api_support})
edge_unit_test(test_mgmt_reprovision LIBS edge_api SOURCES ${api_support})
edge_unit_test(test_mgmt_key LIBS edge_api SOURCES ${api_support})
edge_unit_test(test_mgmt_token LIBS edge_api SOURCES ${api_support})
edge_unit_test(test_api_routes LIBS edge_api)
