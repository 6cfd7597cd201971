"""Issue identities to both sides, and take them back: authority, profiles, register, lists."""
