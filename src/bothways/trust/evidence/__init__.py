"""How evidence of revocation is obtained: what may be asked of whom. No sockets here."""
