"""Fetches OCSP responses and CRLs over the network, as `trust.evidence` allows, and caches them on disk."""
