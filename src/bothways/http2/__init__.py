"""HTTP/2 as it is used here, on every side: within limits that a peer cannot lift."""
