"""The directory of an authority: its files, what is where, and how it is made."""
