"""The routes of a gateway: whom each takes and why, where it leads, and how the service there is reached."""
