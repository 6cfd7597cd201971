"""Keys that stand for a peer without a certificate: pinned public keys, and pre-shared keys."""
