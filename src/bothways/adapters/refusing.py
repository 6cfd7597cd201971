"""What a TLS socket refuses, as in `ssl`: sending and receiving that would bypass TLS."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NoReturn

from bothways.adapters.described import Described
from bothways.errors import ConfigError

_TOLD = frozenset(name for name in vars(Described) if not name.startswith("_"))


class NotOfOpenSSL(ConfigError, AttributeError):
    """Raised for a name that `_sslobj` does not have; an AttributeError, so that `hasattr` says so."""


class NoOpenSSL:
    """The value of `_sslobj`: it has information about the connection, which httpcore reads, and no other function.

    Inherited methods of `ssl` that we do not override fail there, and send nothing.
    """

    def __init__(self, owner: object) -> None:
        self._owner = weakref.ref(owner)

    def __getattr__(self, name: str) -> Any:
        if name not in _TOLD:
            raise NotOfOpenSSL(f"{name}: OpenSSL has no part in this connection")
        return getattr(self._owner(), name)


class Refusing:
    """A base class of `SSLSocket`, before `ssl.SSLSocket`."""

    fileno: Callable[[], int]
    gettimeout: Callable[[], float | None]

    def dup(self) -> NoReturn:
        """Raise NotImplementedError: a connection has only one owner."""
        raise NotImplementedError(f"Can't dup() {type(self).__name__} instances")

    def recvfrom(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise ValueError, as `ssl` does."""
        raise ValueError(f"recvfrom not allowed on instances of {type(self)}")

    def recvfrom_into(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise ValueError, as `ssl` does."""
        raise ValueError(f"recvfrom_into not allowed on instances of {type(self)}")

    def sendto(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise ValueError, as `ssl` does."""
        raise ValueError(f"sendto not allowed on instances of {type(self)}")

    def recvmsg(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise NotImplementedError, as `ssl` does."""
        raise NotImplementedError(f"recvmsg not allowed on instances of {type(self)}")

    def recvmsg_into(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise NotImplementedError, as `ssl` does."""
        raise NotImplementedError(f"recvmsg_into not allowed on instances of {type(self)}")

    def sendmsg(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise NotImplementedError, as `ssl` does: nothing is sent unprotected."""
        raise NotImplementedError(f"sendmsg not allowed on instances of {type(self)}")

    def sendmsg_afalg(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise NotImplementedError: nothing is sent unprotected."""
        raise NotImplementedError(f"sendmsg_afalg not allowed on instances of {type(self)}")

    def _sendfile_use_sendfile(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise an error: it would send the file unprotected."""
        raise NotImplementedError("os.sendfile would send unprotected")

    def _checkClosed(self, msg: object = None) -> None:  # noqa: N802 - ssl's name
        """Check nothing, as in `ssl`."""

    def _check_connected(self) -> None:
        """Check nothing: each method checks for itself."""

    def _check_not_closed(self, what: str) -> None:
        if self.fileno() < 0:
            raise ValueError(f"{what} on closed or unwrapped SSL socket.")

    def _check_flags(self, what: str, flags: int) -> None:
        if flags != 0:
            raise ValueError(f"non-zero flags not allowed in calls to {what}() on {type(self)}")

    def _check_blocking(self) -> None:
        if self.gettimeout() == 0:
            raise ValueError("do_handshake_on_connect should not be specified for non-blocking sockets")

    def _real_connect(self, addr: Any, connect_ex: bool) -> NoReturn:
        """Raise an error: it would bypass `connect`."""
        raise NotImplementedError("use connect or connect_ex")
