"""A mail server as a program: python3 smtp_peer.py PORT CHAIN KEY. It turns to TLS when it is asked to."""

from __future__ import annotations

import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink


def main(port: str, chain: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    controller = Controller(Sink(), hostname="127.0.0.1", port=int(port), tls_context=context)
    controller.start()
    print("listening", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
