"""Tunnels: local programs without TLS in, mutual TLS to a server out."""
