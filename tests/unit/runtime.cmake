set(support ${PROJECT_SOURCE_DIR}/tests/support)
edge_unit_test(test_runtime LIBS edge_runtime)
edge_unit_test(test_docker_json LIBS edge_runtime)
edge_unit_test(test_docker LIBS edge_runtime
               SOURCES ${support}/fake_transport.c ${support}/fake_loop.c)
edge_unit_test(test_docker_events LIBS edge_runtime
               SOURCES ${support}/fake_transport.c ${support}/fake_loop.c)

# Drives the Engine client from the integration tests.
add_executable(runtime_probe ${support}/runtime_probe.c)
target_link_libraries(runtime_probe PRIVATE edge_flags edge_runtime)

# Runs in containers of the integration tests: static, and so without sanitizers.
add_executable(module_ask ${support}/module_ask.c)
target_compile_definitions(module_ask PRIVATE _GNU_SOURCE)
target_link_options(module_ask PRIVATE -static)
# Neither -pie nor -no-pie, which clang takes ill beside -static.
set_property(TARGET module_ask PROPERTY POSITION_INDEPENDENT_CODE)
