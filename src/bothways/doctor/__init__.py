"""Examines a server by connections as a client, or our own certificate without a connection."""
