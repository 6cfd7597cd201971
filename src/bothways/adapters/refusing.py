"""What a protected socket refuses, as `ssl` does: nothing leaves past TLS, and nothing is taken past it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NoReturn

from bothways.adapters.described import Described
from bothways.errors import ConfigError

_TOLD = frozenset(name for name in vars(Described) if not name.startswith("_"))


class NoOpenSSL:
    """Stands where OpenSSL's object would: it tells of the connection, as httpcore asks it to, and does nothing.

    Whatever of `ssl` is not our own fails there, and sends nothing.
    """

    def __init__(self, owner: object) -> None:
        self._owner = weakref.ref(owner)

    def __getattr__(self, name: str) -> Any:
        if name not in _TOLD:
            raise ConfigError(f"{name}: OpenSSL has no part in this connection")
        return getattr(self._owner(), name)


class Refusing:
    """Mixed into `SSLSocket` before the socket that it inherits from."""

    fileno: Callable[[], int]
    gettimeout: Callable[[], float | None]

    def dup(self) -> NoReturn:
        """Refuse: a connection has one owner."""
        raise NotImplementedError(f"Can't dup() {type(self).__name__} instances")

    def recvfrom(self, *arguments: Any, **options: Any) -> NoReturn:
        """Refuse, as `ssl` does."""
        raise ValueError(f"recvfrom not allowed on instances of {type(self)}")

    def recvfrom_into(self, *arguments: Any, **options: Any) -> NoReturn:
        """Refuse, as `ssl` does."""
        raise ValueError(f"recvfrom_into not allowed on instances of {type(self)}")

    def sendto(self, *arguments: Any, **options: Any) -> NoReturn:
        """Refuse, as `ssl` does."""
        raise ValueError(f"sendto not allowed on instances of {type(self)}")

    def recvmsg(self, *arguments: Any, **options: Any) -> NoReturn:
        """Refuse, as `ssl` does."""
        raise NotImplementedError(f"recvmsg not allowed on instances of {type(self)}")

    def recvmsg_into(self, *arguments: Any, **options: Any) -> NoReturn:
        """Refuse, as `ssl` does."""
        raise NotImplementedError(f"recvmsg_into not allowed on instances of {type(self)}")

    def sendmsg(self, *arguments: Any, **options: Any) -> NoReturn:
        """Refuse, as `ssl` does: nothing leaves unprotected."""
        raise NotImplementedError(f"sendmsg not allowed on instances of {type(self)}")

    def sendmsg_afalg(self, *arguments: Any, **options: Any) -> NoReturn:
        """Refuse: nothing leaves unprotected."""
        raise NotImplementedError(f"sendmsg_afalg not allowed on instances of {type(self)}")

    def _sendfile_use_sendfile(self, *arguments: Any, **options: Any) -> NoReturn:
        """Refuse what would pass the descriptor to the system."""
        raise NotImplementedError("os.sendfile would send unprotected")

    def _checkClosed(self, msg: object = None) -> None:  # noqa: N802 - ssl's name
        """Find nothing to check."""

    def _check_connected(self) -> None:
        """Find nothing to check: what needs a connection asks for it."""

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
        """Refuse what goes past `connect`."""
        raise NotImplementedError("use connect or connect_ex")
