"""Descriptions for people: handshake messages, certificates and CRLs, names, steps."""
