# Fakes are linked in place of the loop, the HTTP client and the key store.
set(cloud_fakes cloud_env.c fake_device_cert.c fake_hsm.c fake_http_client.c fake_loop.c
    stub_wall.c)
list(TRANSFORM cloud_fakes PREPEND ${CMAKE_SOURCE_DIR}/tests/support/)

foreach(name test_text test_reply test_sas test_proof test_dps test_dps_json test_hub
        test_hub_json test_external test_external_json)
  edge_unit_test(${name} LIBS edge_cloud SOURCES ${cloud_fakes})
endforeach()

edge_unit_test(test_device_cert LIBS edge_cloud PkgConfig::CRYPTO
  SOURCES ${CMAKE_SOURCE_DIR}/tests/support/fake_hsm.c
          ${CMAKE_SOURCE_DIR}/tests/support/fake_loop.c ${CMAKE_SOURCE_DIR}/tests/support/certs.c
          ${CMAKE_SOURCE_DIR}/tests/support/stub_wall.c)

# Driven by the integration tests.
add_executable(cloud_probe ${CMAKE_SOURCE_DIR}/tests/support/cloud_probe.c)
target_link_libraries(cloud_probe PRIVATE edge_flags edge_identity)
