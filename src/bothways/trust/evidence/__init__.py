"""How evidence of revocation is got: what may be asked of whom, how it is asked, what is remembered. No sockets."""
