"""What commands do that connect to a server: whom they are and trust, the conversation, and what they report."""
