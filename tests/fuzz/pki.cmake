edge_fuzz_target(fuzz_issuer LIBS edge_pki PkgConfig::CRYPTO)
edge_fuzz_target(fuzz_pki_chain LIBS edge_pki)
