foreach(name test_module_cache test_module_key test_module_legacy test_identities test_reconcile test_reconcile_state)
  edge_unit_test(${name} LIBS edge_identity SOURCES ${cloud_fakes})
endforeach()
