"""OCSP: the request, and one response (RFC 6960)."""
