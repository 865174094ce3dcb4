edge_fuzz_target(fuzz_http_head LIBS edge_http)
edge_fuzz_target(fuzz_http_conn LIBS edge_http
                 SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/http_driver.c
                         ${CMAKE_SOURCE_DIR}/tests/conformance/http_answers.c)
target_include_directories(fuzz_http_conn PRIVATE ${CMAKE_SOURCE_DIR}/tests)
