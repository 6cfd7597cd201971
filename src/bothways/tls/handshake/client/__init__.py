"""The client's side: its hello, the script of each version, what it offers to resume, and its encrypted hello."""
