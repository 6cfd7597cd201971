"""What is exchanged in a handshake, in words: messages, documents, names, steps."""
