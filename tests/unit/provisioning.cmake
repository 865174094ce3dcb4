edge_unit_test(test_takeover LIBS edge_provisioning PkgConfig::CRYPTO
               SOURCES ${CMAKE_SOURCE_DIR}/tests/support/legacy_state.c)
edge_unit_test(test_takeover_backup LIBS edge_provisioning)
edge_unit_test(test_takeover_clean LIBS edge_provisioning PkgConfig::CRYPTO
               SOURCES ${CMAKE_SOURCE_DIR}/tests/support/fake_hsm.c
                       ${CMAKE_SOURCE_DIR}/tests/support/certs.c
                       ${CMAKE_SOURCE_DIR}/tests/support/legacy_pki.c
                       ${CMAKE_SOURCE_DIR}/tests/support/legacy_state.c)
edge_unit_test(test_takeover_files LIBS edge_provisioning PkgConfig::CRYPTO
               SOURCES ${CMAKE_SOURCE_DIR}/tests/support/legacy_state.c)
set(fake_loop ${CMAKE_SOURCE_DIR}/tests/support/fake_loop.c)
set(world ${CMAKE_SOURCE_DIR}/tests/support/provisioning_world.c)
edge_unit_test(test_note LIBS edge_provisioning)
edge_unit_test(test_contact LIBS edge_provisioning)
edge_unit_test(test_key_label LIBS edge_provisioning)
edge_unit_test(test_key_import LIBS edge_provisioning SOURCES ${world})
edge_unit_test(test_state LIBS edge_provisioning)
edge_unit_test(test_state_json LIBS edge_provisioning)
edge_unit_test(test_backup LIBS edge_provisioning)
edge_unit_test(test_external_files LIBS edge_provisioning
               SOURCES ${CMAKE_SOURCE_DIR}/tests/support/fake_hsm.c)
foreach(name provisioning reenroll schedule verdict preview store)
  edge_unit_test(test_${name} LIBS edge_provisioning
                 SOURCES ${CMAKE_SOURCE_DIR}/tests/support/provisioning_policy.c ${fake_loop}
                         ${world})
endforeach()
edge_unit_test(test_source_dps LIBS edge_provisioning
               SOURCES ${CMAKE_SOURCE_DIR}/tests/support/fake_device_cert.c ${fake_loop} ${world})
edge_unit_test(test_source_manual LIBS edge_provisioning SOURCES ${fake_loop} ${world})
edge_unit_test(test_source_external LIBS edge_provisioning SOURCES ${fake_loop} ${world})
edge_unit_test(test_imported LIBS edge_provisioning)
edge_unit_test(test_report LIBS edge_provisioning)
edge_unit_test(test_inputs LIBS edge_provisioning)
edge_unit_test(test_source_run LIBS edge_provisioning SOURCES ${fake_loop} ${world})

# Many days and many devices in simulated time; they print what they found.
set(sim_fakes fake_device_cert.c fake_hsm.c fake_http_client.c fake_loop.c fake_wall.c sim_cloud.c)
list(TRANSFORM sim_fakes PREPEND ${CMAKE_SOURCE_DIR}/tests/support/)
edge_unit_test(test_sim_month LIBS edge_provisioning SOURCES ${sim_fakes})
edge_unit_test(test_sim_fleet LIBS edge_provisioning
               SOURCES ${CMAKE_SOURCE_DIR}/tests/support/sim_fleet.c ${world})
edge_unit_test(test_report_store LIBS edge_provisioning)
edge_unit_test(test_store_change LIBS edge_provisioning PkgConfig::CRYPTO
  SOURCES ${CMAKE_SOURCE_DIR}/tests/support/fake_hsm.c)
edge_unit_test(test_ca_key LIBS edge_provisioning PkgConfig::CRYPTO
  SOURCES ${CMAKE_SOURCE_DIR}/tests/support/fake_hsm.c ${CMAKE_SOURCE_DIR}/tests/support/certs.c)
edge_unit_test(test_hsm_settings LIBS edge_provisioning)
