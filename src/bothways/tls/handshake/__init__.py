"""Handshakes of TLS 1.3 and 1.2: one script for each role and version, the table of steps, negotiation."""
