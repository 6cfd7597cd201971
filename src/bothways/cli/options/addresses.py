"""Addresses as options and arguments: HOST:PORT, or the URL of a server."""

from __future__ import annotations

import re
from typing import Any

import click

from bothways.addresses import TCPAddress


class AddressType(click.ParamType[TCPAddress]):
    """HOST:PORT or [IPv6]:PORT. least: the smallest port; 0 stands for any free one, and nobody listens there."""

    name = "HOST:PORT"

    def __init__(self, least: int) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> TCPAddress:
        """Parse an address; raises `click.BadParameter`."""
        if isinstance(value, TCPAddress):
            return value
        host, colon, port = str(value).rpartition(":")
        if colon and not host:
            self.fail(f"{value!r} has no host; use 127.0.0.1{value} for this machine only", param, ctx)
        bracketed = host.startswith("[") and host.endswith("]")
        if ":" in host and not bracketed:
            self.fail(f"{value!r}: an IPv6 address has to be in brackets, such as [::1]:8443", param, ctx)
        is_number = colon and re.fullmatch(r"0*[0-9]{1,5}", port, re.ASCII)
        if not is_number or not self._least <= int(port) <= 65535:
            wanted = f"HOST:PORT with a port of {self._least} to 65535"
            self.fail(f"{value!a} is not an address; expected {wanted}", param, ctx)
        try:
            host.encode("idna")  # the length limit of a host name in Python's resolver
        except UnicodeError:
            self.fail(f"{value!a}: this host is neither a valid name nor an IP address", param, ctx)
        return TCPAddress(host[1:-1] if bracketed else host, int(port))


class ServerType(AddressType):
    """HOST:PORT, [IPv6]:PORT, or an https URL, of which host and port are used."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> TCPAddress:
        """Parse an address or a URL; raises `click.BadParameter`."""
        if isinstance(value, str) and (match := _URL.fullmatch(value)) is not None:
            if match[1].lower() not in SCHEMES:
                self.fail(f"{value!a}: expected an address HOST:PORT, or an https URL", param, ctx)
            authority = match[2].rpartition("@")[2]
            bare = authority.endswith("]") or ":" not in authority
            value = f"{authority}:{SCHEMES[match[1].lower()]}" if bare else authority
        return super().convert(value, param, ctx)


_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,20})://([^/?#\s]*)(?:[/?#].*)?")
SCHEMES = {"https": 443, "wss": 443, "ldaps": 636, "imaps": 993, "smtps": 465, "mqtts": 8883, "rediss": 6379}


ADDRESS = AddressType(least=0)
DIALLED = AddressType(least=1)
SERVER = ServerType(least=1)
