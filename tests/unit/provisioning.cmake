edge_unit_test(test_state LIBS edge_provisioning)
edge_unit_test(test_provisioning LIBS edge_provisioning
               SOURCES ${CMAKE_SOURCE_DIR}/tests/support/fake_loop.c)
edge_unit_test(test_source_dps LIBS edge_provisioning
               SOURCES ${CMAKE_SOURCE_DIR}/tests/support/fake_loop.c)
