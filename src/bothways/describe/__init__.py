"""Descriptions as text: handshake messages, certificates and other documents, names, steps."""
