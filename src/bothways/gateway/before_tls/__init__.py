"""What comes before TLS on a connection of a gateway: the header of a proxy, and a request for TLS (STARTTLS)."""
