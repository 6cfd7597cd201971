"""bothways with the interface of the standard library's `ssl`, for libraries that take an `ssl.SSLContext`."""
