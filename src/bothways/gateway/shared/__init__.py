"""What a gateway shares with others: which revocation news it publishes and uses, and limits of connections."""
