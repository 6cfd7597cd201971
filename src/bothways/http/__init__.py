"""HTTP over our own TLS: the client of `bothways get`, and the client's identity for ASGI and WSGI."""
