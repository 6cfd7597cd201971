"""The processes of a gateway: one, or several workers that a supervisor starts, replaces and follows by others."""
