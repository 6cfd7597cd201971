"""The register of a CA in a database: certificates, revocations, CRLs and the audit log."""
