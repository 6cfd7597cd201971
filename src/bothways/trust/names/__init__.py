"""Names in certificates: distinguished names, general names, and the subtrees that a CA is restricted to."""
