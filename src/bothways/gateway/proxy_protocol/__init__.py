"""The header of the PROXY protocol: read as a proxy in front sends it, written for the service behind."""
