"""The directory of a CA: its layout, its creation, its files and its encrypted keys."""
