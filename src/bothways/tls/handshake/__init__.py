"""Who says what, when."""
