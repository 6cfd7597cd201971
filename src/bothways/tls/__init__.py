"""The engine: TLS without sockets, clock or entropy of its own."""
