"""gRPC as a program: python3 grpc_peer.py serve|call PORT CHAIN KEY CA, "-" for none of them.

A server answers to /acme.Echo/Say, and requires a client certificate where it has a CA.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

SECONDS = 5
METHOD = "/acme.Echo/Say"


def main(role: str, port: str, chain: str, key: str, anchors: str) -> None:
    if role == "serve":
        serve(port, _read(chain), _read(key), _read(anchors))
    else:
        call(port, _read(chain), _read(key), _read(anchors))


def serve(port: str, chain: bytes | None, key: bytes | None, anchors: bytes | None) -> None:
    server = grpc.server(ThreadPoolExecutor(2))
    methods = {"Say": grpc.unary_unary_rpc_method_handler(lambda request, context: request)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("acme.Echo", methods),))
    credentials = grpc.ssl_server_credentials(
        [(key, chain)], anchors, require_client_auth=anchors is not None
    )
    server.add_secure_port(f"127.0.0.1:{port}", credentials)
    server.start()
    print("listening", flush=True)
    server.wait_for_termination()


def call(port: str, chain: bytes | None, key: bytes | None, anchors: bytes | None) -> None:
    credentials = grpc.ssl_channel_credentials(anchors, key, chain)
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        try:
            channel.unary_unary(METHOD)(b"", timeout=SECONDS)
        except grpc.RpcError as error:
            print(error)


def _read(name: str) -> bytes | None:
    return None if name == "-" else Path(name).read_bytes()


if __name__ == "__main__":
    main(*sys.argv[1:])
