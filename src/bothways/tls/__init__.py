"""The TLS engine: no I/O; clock and randomness are injected."""
