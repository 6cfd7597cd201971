"""What gateways share with one another, in Valkey or Redis: limits of connections, and revocation news."""
