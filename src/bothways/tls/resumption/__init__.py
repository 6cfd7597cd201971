"""What an earlier session leaves behind, so that the next handshake needs no signatures (RFC 9846 2.2, 4.7.1)."""
