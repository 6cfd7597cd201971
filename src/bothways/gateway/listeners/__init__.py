"""The listening sockets of a gateway, and the service manager that passes them."""
