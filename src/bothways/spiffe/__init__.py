"""Credentials and trust anchors of the SPIFFE Workload API (X.509-SVIDs and bundles), renewed while they are used."""
