"""The bytes of one connection: passed both ways to another one, or read and written as a stream."""
