"""A gateway: verified clients in front of services that know no TLS, by routes, rules and limits of one file."""
