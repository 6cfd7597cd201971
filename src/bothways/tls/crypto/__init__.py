"""The few questions that we ask of `cryptography`, and everything random that we take from it."""
