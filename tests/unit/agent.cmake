edge_unit_test(test_moved LIBS edge_agent
               SOURCES ${CMAKE_SOURCE_DIR}/tests/support/fake_loop.c
                       ${CMAKE_SOURCE_DIR}/tests/support/fake_runtime.c)
edge_unit_test(test_moved_file LIBS edge_agent)
