"""The server's side: the hello that it reads, the script of each version, what it resumes, and the encrypted hello."""
