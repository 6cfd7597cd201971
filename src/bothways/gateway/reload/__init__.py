"""How a gateway follows its files: read again when they change, checked, and then taken whole."""
