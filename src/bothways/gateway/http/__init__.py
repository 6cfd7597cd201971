"""HTTP: requests of verified clients, with who they are in header fields, to services; those of the operator."""
