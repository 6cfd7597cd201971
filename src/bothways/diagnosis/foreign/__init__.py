"""Failures in the exceptions of other libraries: their TLS, and the answers of servers in their attributes."""
