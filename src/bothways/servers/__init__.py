"""What all our servers have in common: where they listen, places for clients, and limits of what they report."""
