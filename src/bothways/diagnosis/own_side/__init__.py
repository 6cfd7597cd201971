"""What the peer may have refused of ours: the hello, the chain and its names, the staple, the strength of the keys."""
