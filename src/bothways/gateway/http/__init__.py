"""HTTP routes of a gateway: requests of verified clients, with who they are in header fields, to services."""
