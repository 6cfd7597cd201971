"""Secrets in the order in which the RFCs derive them."""
