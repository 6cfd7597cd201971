"""A gateway as seen from outside: what is counted, whether it is ready, and the pages that say so."""
