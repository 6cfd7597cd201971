"""The clients of a gateway: one connection from its first byte to its end, and how many there may be."""
