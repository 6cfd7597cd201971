"""Our own certificate chain and private key, or raw key: loaded, checked, and when they have to be renewed."""
