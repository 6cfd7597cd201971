"""From bytes to parsed documents: PEM, the parsers of `cryptography` behind one gate, and what they cannot decode."""
