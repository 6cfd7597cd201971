"""What the files that a gateway names hold, and where else their contents come from: SPIFFE, our own CA."""
