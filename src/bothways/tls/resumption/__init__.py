"""Sessions of TLS 1.3, by which a later handshake needs no signatures (RFC 9846 2.2, 4.7.1)."""
