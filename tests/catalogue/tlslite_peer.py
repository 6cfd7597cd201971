"""tlslite-ng as a program, for what no careful stack does: tlslite-peer serve|call PORT CHAIN KEY [--without-ems].

It takes a key that does not belong to its certificate, and can leave out the extended main secret (EMS).
"""

from __future__ import annotations

import contextlib
import socket
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports asyncore, which nobody here needs
    from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey

SECONDS = 10


def main(role: str, port: str, chain: str, key: str, *options: str) -> None:
    shown = X509CertChain()
    shown.parsePemList(Path(chain).read_text())
    private = parsePEMKey(Path(key).read_text(), private=True, implementations=["python"])
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = (3, 3)
    settings.useExtendedMasterSecret = "--without-ems" not in options
    if role == "call":
        with socket.create_connection(("127.0.0.1", int(port)), SECONDS) as sock:
            _quietly(lambda: TLSConnection(sock).handshakeClientCert(shown, private, settings=settings))
        return
    with socket.create_server(("127.0.0.1", int(port))) as listener:
        print("listening", flush=True)
        while True:
            sock, _ = listener.accept()
            with sock:
                sock.settimeout(SECONDS)
                theirs = TLSConnection(sock)
                _quietly(
                    partial(theirs.handshakeServer, certChain=shown, privateKey=private, settings=settings)
                )


def _quietly(talk: Callable[[], object]) -> None:
    """What ends the conversation is the other side's to tell."""
    with contextlib.suppress(Exception):
        talk()


if __name__ == "__main__":
    main(*sys.argv[1:])
