"""Evidence of revocation over the network: sockets and a directory for what `trust.evidence` says may be asked."""
