"""The address of a Workload API (SPIFFE Workload Endpoint 3)."""

from __future__ import annotations

import os
from collections.abc import Mapping

from bothways.arguments import text
from bothways.errors import ConfigError
from bothways.faults import shown

ENVIRONMENT = "SPIFFE_ENDPOINT_SOCKET"
_PATH_LIMIT = 107  # bytes, sun_path of Linux without its end


def checked_address(address: str) -> str:
    """Return the path of the socket in an address, unix:PATH or unix:///PATH. Raises ConfigError."""
    path = text("address", address).removeprefix("unix:")
    path = path.removeprefix("//") if path.startswith("///") else path
    fits = path.startswith("/") and "\0" not in path and len(path.encode()) <= _PATH_LIMIT
    if not address.startswith("unix:") or not fits:
        raise ConfigError(
            f"{shown(address)} is no address of a Workload API; expected unix: and the absolute path of a socket, or "
            f"{ENVIRONMENT} for the address in this environment variable"
        )
    return path


def found_address(address: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return a checked address; for the name of the environment variable the one in it (4). Raises ConfigError."""
    if address != ENVIRONMENT:
        checked_address(address)
        return address
    found = environment.get(ENVIRONMENT)
    if not found:
        raise ConfigError(f"{ENVIRONMENT} is not set in the environment; give the address, such as unix:PATH")
    try:
        checked_address(found)
    except ConfigError as error:
        raise ConfigError(f"the environment variable {ENVIRONMENT}: {error}") from None
    return found
