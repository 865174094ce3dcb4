"""The cloud side of an edge device, for tests: DPS with TPM attestation and an IoT Hub registry."""
