"""What is told of each connection: why it ended, by a stable code, its likely causes, and its line in the log."""
