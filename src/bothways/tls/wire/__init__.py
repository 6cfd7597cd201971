"""Bytes to messages and back: knows no keys and no order."""
