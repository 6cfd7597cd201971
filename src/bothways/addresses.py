"""Addresses of servers and of their clients: hosts with ports, and Unix sockets."""

from __future__ import annotations

import errno
import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bothways.arguments import integer
from bothways.errors import ConfigError
from bothways.faults import shown

UNIX = "unix:"
UNIX_CLIENT = "unix"  # what a client of a Unix socket is called: it has no address
_PATH_LIMIT = 107  # bytes, sun_path of Linux without its end
# What may have been meant as the end of user name and password, and the scheme before them.
_USER = re.compile(r"([a-z][a-z0-9+.-]*://)?.*(?:@|%40|\uff20|\ufe6b)", re.IGNORECASE | re.DOTALL)
_USUAL_USER = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#]*@", re.IGNORECASE)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)


class TCPAddress(NamedTuple):
    """A host, which is a name or an IP address, and a port; written [HOST]:PORT where the host is of IPv6."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """The path of a Unix socket."""

    path: str

    def __str__(self) -> str:
        return UNIX + self.path


Address = TCPAddress | UnixAddress


def parsed_address(text: str, folder: str | os.PathLike[str] = "") -> Address:
    """Read HOST:PORT, [IPv6]:PORT or unix:PATH. folder: as for `unix_address`. Raises ConfigError."""
    if text.startswith(UNIX):
        return unix_address(text.removeprefix(UNIX), folder)
    if "://" in text:
        raise ConfigError(
            f"{shown(without_user(text))} is a URL; expected HOST:PORT or {UNIX}PATH, without scheme and path"
        )
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if ":" in host and not bracketed:
        raise ConfigError(
            f"{shown(without_user(text))}: an IPv6 address stands in brackets, such as [::1]:8443"
        )
    host = host[1:-1] if bracketed else host
    if not colon or not host or not _PORT.fullmatch(port) or not 0 < int(port) < 65536:
        given = shown(without_user(text))
        raise ConfigError(f"expected HOST:PORT with a port of 1 to 65535, or {UNIX}PATH, not {given}")
    return TCPAddress(checked_host(host), int(port))


def without_user(url: str) -> str:
    """Return a URL, or what was given in place of one, for texts: without the user name and password that it may have.

    All before the last @ may be part of a password that was not percent-encoded, or of a URL without its scheme.
    """
    found = _USER.match(url)
    if found is None:
        return url
    gap = "" if _USUAL_USER.fullmatch(found[0]) else "...@"
    return f"{found[1] or ''}{gap}{url[found.end() :]}"


def tcp_address(host: object, port: object) -> TCPAddress:
    """Return the address that a program connects to. Raises ConfigError; systems take other ports modulo 65536."""
    if not isinstance(host, str) or not host:
        kind = "an empty text" if host == "" else type(host).__name__
        raise ConfigError(f"host: expected a name or an IP address, not {kind}")
    return TCPAddress(checked_host(host), checked_port(port, 1))


def checked_port(port: object, least: int = 0) -> int:
    """Return the number of a port. Raises ConfigError.

    least: 1 for one to connect to, 0 where the system may choose one.
    """
    found = integer(port)
    if found is None or not least <= found < 65536:
        raise ConfigError(f"port: expected a number of {least} to 65535, not {shown(port)}")
    return found


FAMILY_LACKS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def most_telling(errors: Sequence[OSError]) -> OSError:
    """Return why no address of a name was reached: the last error, if possible not that this machine lacks a family.

    errors: of the addresses in the order in which they were tried.
    """
    return ([each for each in errors if each.errno not in FAMILY_LACKS] or errors)[-1]


def checked_host(host: str) -> str:
    """Return a host that the system can be asked about. Raises ConfigError."""
    if host == "*":
        raise ConfigError("* is no address: that of every IPv4 interface is 0.0.0.0, that of IPv6 is ::")
    if not _is_host(host):
        raise ConfigError(f"{shown(without_user(host))} is neither the name of a host nor an IP address")
    return host


def _is_host(host: str) -> bool:
    try:
        host.encode("idna")
        if ":" in host:  # where a port stands in place of a host, too
            ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return not set(host) & set("/@")


def unix_address(path: str, folder: str | os.PathLike[str] = "") -> UnixAddress:
    """Return the address of a Unix socket. folder: to which the path is relative, if not this process's own.

    Raises ConfigError, also for an abstract socket of Linux, which is written with @ in place of a path.
    """
    if path.startswith("@"):
        raise ConfigError(
            f"{shown(path)} is an abstract socket, which has no permissions: every user of this machine could connect "
            f"to it, or listen there; give the path of a socket, or {shown(f'./{path}')} for a file of this name"
        )
    whole = os.path.normpath(os.path.join(folder, path)) if folder and path else path
    if not path or "\0" in path or len(whole.encode()) > _PATH_LIMIT:
        raise ConfigError(f"a Unix socket has a path of 1 to {_PATH_LIMIT} bytes")
    return UnixAddress(whole)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by itself or as localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_and_address(name: object) -> tuple[str, str]:
    """Return the host of an address, and the address in text; for a Unix socket both are the same."""
    if not isinstance(name, tuple):
        return UNIX_CLIENT, UNIX_CLIENT
    host, port = name[:2]
    return host, str(TCPAddress(host, port))
