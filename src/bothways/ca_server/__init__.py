"""A certificate authority over HTTP: what stands between its service and the network."""
