"""Ticket keys that several processes and machines share, so that each resumes the sessions of the others."""
