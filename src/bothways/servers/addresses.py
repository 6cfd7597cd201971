"""Addresses at which servers listen: also sockets that a service manager has opened."""

from __future__ import annotations

from dataclasses import dataclass

from bothways.addresses import Address

PASSED = "systemd:"


@dataclass(frozen=True, slots=True)
class PassedAddress:
    """A socket that a service manager has opened and passed to us, by its name."""

    name: str

    def __str__(self) -> str:
        return PASSED + self.name


ListenerAddress = Address | PassedAddress
