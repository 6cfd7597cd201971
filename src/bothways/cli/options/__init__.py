"""Options that several commands share: their types, and what is made of what was given."""
