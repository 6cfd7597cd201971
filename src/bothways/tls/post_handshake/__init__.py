"""What follows the handshake on an open connection: new keys, judging the peer again, our certificate when asked."""
