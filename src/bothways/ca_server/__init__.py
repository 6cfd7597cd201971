"""A CA over HTTP: OCSP responses, CRLs and CA certificates, with limits against slow clients."""
