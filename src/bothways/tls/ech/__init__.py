"""The encrypted ClientHello: configurations, keys, and the encoding of the encrypted part (RFC 9849)."""
