"""Open connections: key updates, verifying the peer again, post-handshake client authentication."""
