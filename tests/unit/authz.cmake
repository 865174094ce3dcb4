# The sources themselves, not the library: the tests stand in for the HTTP server below it.
set(api ${PROJECT_SOURCE_DIR}/edged/api)
set(support ${PROJECT_SOURCE_DIR}/tests/support)
edge_unit_test(test_cgroup LIBS edge_runtime SOURCES ${api}/cgroup.c)
edge_unit_test(test_authz_peers LIBS edge_runtime SOURCES ${api}/authz_peers.c)
edge_unit_test(test_authz_proc LIBS edge_runtime SOURCES ${api}/authz_proc.c ${api}/cgroup.c)
edge_unit_test(test_authz_host LIBS edge_runtime
               SOURCES ${api}/authz_host.c ${api}/authz_proc.c ${api}/cgroup.c)
foreach(name test_authz test_authz_layouts test_authz_operator)
  edge_unit_test(${name} LIBS edge_runtime
                 SOURCES authz_world.c
                         ${api}/authz.c ${api}/authz_engine.c ${api}/authz_host.c ${api}/authz_memory.c
                         ${api}/authz_peers.c ${api}/authz_verdict.c
                         ${api}/authz_proc.c ${api}/cgroup.c ${support}/fake_runtime.c
                         ${support}/fake_loop.c)
endforeach()
