edge_unit_test(test_op LIBS edge_loop)
edge_unit_test(test_loop LIBS edge_loop)
edge_unit_test(test_worker LIBS edge_loop Threads::Threads)
edge_unit_test(test_backoff LIBS edge_loop)
edge_unit_test(test_notify LIBS edge_loop)
edge_unit_test(test_http_check LIBS edge_loop)
edge_unit_test(test_http_fields LIBS edge_loop)
# The identity's test renews the files of a device certificate, which is of the layer above.
foreach(name test_http_client test_http_client_request test_http_client_error
             test_http_client_identity test_http_client_proxy)
  edge_unit_test(${name} LIBS edge_cloud edge_loop
                 SOURCES ${CMAKE_SOURCE_DIR}/tests/support/fault_server.c
                         ${CMAKE_SOURCE_DIR}/tests/support/http_calls.c)
  target_compile_definitions(${name} PRIVATE
    EDGE_FAULT_SERVER="${CMAKE_SOURCE_DIR}/tests/support/fault_server.py")
endforeach()
edge_unit_test(test_wall LIBS edge_loop
               SOURCES ${CMAKE_SOURCE_DIR}/tests/support/fake_loop.c)
edge_unit_test(test_wall_file LIBS edge_loop WRAP fsync)
edge_unit_test(test_wall_watch LIBS edge_loop WRAP read timerfd_create timerfd_settime)
