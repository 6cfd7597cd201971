"""bothways in the shape of the standard library's `ssl`, for libraries that take an `ssl.SSLContext`."""
