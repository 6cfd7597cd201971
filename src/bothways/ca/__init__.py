"""A certification authority (CA): issues and revokes certificates, signs CRLs and OCSP responses."""
