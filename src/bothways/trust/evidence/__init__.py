"""How CRLs and OCSP responses are obtained: what may be fetched from where, HTTP messages, caching. No I/O."""
