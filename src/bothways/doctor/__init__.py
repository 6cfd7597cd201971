"""Examines a server as a client of it would, or an identity before anything is connected."""
