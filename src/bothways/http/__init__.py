"""HTTP over our own TLS: what `bothways get` speaks."""
