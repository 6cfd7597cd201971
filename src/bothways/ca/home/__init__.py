"""The directory of a CA: its layout, how it is created, and how its files and keys are written."""
