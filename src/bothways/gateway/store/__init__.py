"""What gateways keep for one another in Valkey or Redis: counted connections, and revocation news."""
