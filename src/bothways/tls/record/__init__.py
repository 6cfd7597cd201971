"""The record layer: framing and protection (RFC 9846 5)."""
