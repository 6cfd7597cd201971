"""What commands do that serve clients: their files, places for clients, services, reports and workers."""
