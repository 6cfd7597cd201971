"""What happened in a handshake, for people: steps, names, documents, reports, the story of both sides."""
