"""Helpers of the integration tests: programs that are started, and clients to talk to them."""
