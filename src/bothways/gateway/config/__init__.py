"""The file of a gateway: what it says, read strictly and checked; the files that it names are not read here."""
