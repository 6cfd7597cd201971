"""Codecs: bytes to messages and back, without keys and without state."""
