"""Fetches OCSP responses and CRLs over the network, within the limits of `trust.evidence`, and caches them on disk."""
