"""The register of what an authority did: certificates, revocations, CRLs and the audit log, in a database."""
