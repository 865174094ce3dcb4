set(edged ${PROJECT_SOURCE_DIR}/edged)
edge_unit_test(test_listen LIBS edge_config edge_http SOURCES ${edged}/listen.c ${edged}/kept_socket.c)
edge_unit_test(test_privilege LIBS edge_base SOURCES ${edged}/privilege.c)
edge_unit_test(test_footprint LIBS edge_base SOURCES ${edged}/footprint.c)
edge_unit_test(test_key_store LIBS edge_config edge_loop edge_hsm
               SOURCES ${edged}/key_store.c ${edged}/provisioning/hsm_settings.c ${PROJECT_SOURCE_DIR}/tests/support/fake_loop.c)
set(fakes ${PROJECT_SOURCE_DIR}/tests/support)
edge_unit_test(test_custody LIBS edge_provisioning edge_identity edge_pki
               SOURCES ${edged}/custody.c ${fakes}/fake_loop.c ${fakes}/fake_module_crypt.c ${fakes}/fake_pki.c)
# With the manager's side of their own, without http_server.c.
edge_unit_test(test_kept_socket LIBS edge_base
               SOURCES ${edged}/kept_socket.c ${edged}/http/http_socket.c)
edge_unit_test(test_remount LIBS edge_runtime
               SOURCES ${edged}/remount.c ${fakes}/fake_loop.c ${fakes}/fake_runtime.c)
edge_unit_test(test_module_sockets LIBS edge_runtime edge_config
               SOURCES ${edged}/module_sockets.c ${edged}/kept_socket.c ${edged}/remount.c
                       ${edged}/http/http_socket.c ${fakes}/fake_loop.c ${fakes}/fake_runtime.c)
edge_unit_test(test_agent_hub LIBS edge_base edge_config edge_loop edge_hsm SOURCES ${edged}/agent_hub.c)
