"""Records: where each ends, and what protects it."""
