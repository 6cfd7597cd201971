"""Examines a server by connecting to it as a client, or our own certificate without a connection."""
