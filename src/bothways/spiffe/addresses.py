"""The address of a Workload API (SPIFFE Workload Endpoint 3)."""

from __future__ import annotations

from bothways.errors import ConfigError
from bothways.faults import shown

_PATH_LIMIT = 107  # bytes, sun_path of Linux without its end


def checked_address(address: str) -> str:
    """Return the path of the socket in an address, unix:PATH or unix:///PATH. Raises ConfigError."""
    path = address.removeprefix("unix:")
    path = path.removeprefix("//") if path.startswith("///") else path
    fits = path.startswith("/") and "\0" not in path and len(path.encode()) <= _PATH_LIMIT
    if not address.startswith("unix:") or not fits:
        raise ConfigError(
            f"{shown(address)} is no address of a Workload API; expected unix: and the absolute path of a socket"
        )
    return path
