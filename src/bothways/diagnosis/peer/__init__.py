"""How a connection failed: by an alert, by a fault of the peer, by its silence, or before TLS; and the usual causes."""
