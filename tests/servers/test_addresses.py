"""Addresses at which servers listen."""

from __future__ import annotations

from bothways.servers.addresses import PassedAddress


def test_a_passed_socket_is_written_as_what_it_is() -> None:
    assert str(PassedAddress("web")) == "systemd:web"
