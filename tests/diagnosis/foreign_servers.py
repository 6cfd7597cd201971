"""Servers that say what they are told to, and what libraries make of it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from bothways import explain_failure, failure_of
from bothways.diagnosis.causes import Cause

# For tests of libraries that leave sockets open by which they got no connection that they accept.
SOCKETS_LEFT_OPEN = [
    pytest.mark.usefixtures("sockets_collected"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@contextlib.contextmanager
def speaking(first: bytes, *after: bytes) -> Iterator[int]:
    """A server that says `first`, then one of `after` for whatever comes, and closes. Without `first` it listens."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            peer, _ = listener.accept()
            with peer:
                peer.settimeout(5)
                if first:
                    peer.sendall(first)
                for each in after:
                    peer.recv(65536)
                    peer.sendall(each)
                peer.shutdown(socket.SHUT_WR)
                peer.settimeout(0.1)
                while peer.recv(65536):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(10)


def raised_by(act: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as caught:
        act()
    assert failure_of(caught.value) is None
    return caught.value


def first_of(error: BaseException) -> Cause:
    found = explain_failure(error, address="judge.example:9999")
    assert not {Cause.LOCAL_FAILURE, Cause.OTHER_ERROR} & {each.cause for each in found.causes}
    assert "CertificateRequest" not in str(found)
    return found.first.cause
