set(http_tables ${CMAKE_SOURCE_DIR}/tests/conformance/http_cases.c
                ${CMAKE_SOURCE_DIR}/tests/conformance/http_answers.c)
edge_unit_test(test_http_head LIBS edge_http)
edge_unit_test(test_http_parse LIBS edge_http)
edge_unit_test(test_http_router LIBS edge_http)
edge_unit_test(test_http_conn LIBS edge_http SOURCES http_driver.c ${http_tables})
edge_unit_test(test_http_conn_out LIBS edge_http SOURCES http_driver.c ${http_tables})
