"""Cryptographic operations of TLS by `cryptography`, and the interface for randomness."""
