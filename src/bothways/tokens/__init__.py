"""Private keys in PKCS#11 tokens, as those of a CA and those of TLS are: named by a URI, opened by a PIN."""
