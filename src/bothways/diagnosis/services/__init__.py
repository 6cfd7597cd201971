"""From the answer of a service over an established connection to the causes for which it refuses us."""
