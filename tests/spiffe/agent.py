"""An agent of SPIFFE for tests: a server of the Workload API by grpcio and protobuf, from the public workload.proto.

It shares nothing with our client: HTTP/2, gRPC and Protocol Buffers are those of Google's libraries.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import pki

pytest.importorskip("google.protobuf", reason="protobuf is not installed: pip install -e '.[dev]'")

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FIELD = descriptor_pb2.FieldDescriptorProto
_BYTES, _STRING, _MESSAGE = _FIELD.TYPE_BYTES, _FIELD.TYPE_STRING, _FIELD.TYPE_MESSAGE
_ONE, _MANY = _FIELD.LABEL_OPTIONAL, _FIELD.LABEL_REPEATED


def _messages() -> dict[str, Any]:
    """The messages of FetchX509SVID (SPIFFE Workload API 5.2.1)."""
    file = descriptor_pb2.FileDescriptorProto(name="workload.proto", syntax="proto3")
    svid = file.message_type.add(name="X509SVID")
    for number, (name, kind) in enumerate(
        (("spiffe_id", _STRING), ("x509_svid", _BYTES), ("x509_svid_key", _BYTES), ("bundle", _BYTES),
         ("hint", _STRING)), 1,
    ):  # fmt: skip
        svid.field.add(name=name, number=number, type=kind, label=_ONE)
    response = file.message_type.add(name="X509SVIDResponse")
    response.field.add(name="svids", number=1, type=_MESSAGE, label=_MANY, type_name=".X509SVID")
    response.field.add(name="crl", number=2, type=_BYTES, label=_MANY)
    entry = response.nested_type.add(name="FederatedBundlesEntry")
    entry.field.add(name="key", number=1, type=_STRING, label=_ONE)
    entry.field.add(name="value", number=2, type=_BYTES, label=_ONE)
    entry.options.map_entry = True
    response.field.add(
        name="federated_bundles", number=3, type=_MESSAGE, label=_MANY,
        type_name=".X509SVIDResponse.FederatedBundlesEntry",
    )  # fmt: skip
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
        for name in ("X509SVID", "X509SVIDResponse")
    }


MESSAGES = _messages()
SPAN = {
    "not_before": datetime.now(UTC) - timedelta(hours=12),
    "not_after": datetime.now(UTC) + timedelta(hours=12),
}


def authority(domain: str = "example.org", number: int = 1) -> pki.Issued:
    """The CA of a trust domain."""
    times = SPAN | {"not_after": datetime.now(UTC) + timedelta(days=30)}
    return pki.root(f"CA {number} of {domain}", alternatives=[f"URI:spiffe://{domain}"], **times)


def workload(by: pki.Issued, spiffe_id: str, **options: Any) -> pki.Issued:
    """An SVID as SPIRE issues it: one URI, no DNS name unless one is given."""
    uris = [f"URI:{spiffe_id}", *(f"DNS:{each}" for each in options.pop("dns", ()))]
    return pki.leaf(by, "workload", alternatives=uris, **SPAN | options)


def svid(issued: pki.Issued, spiffe_id: str, *bundle: pki.Issued) -> Any:
    return MESSAGES["X509SVID"](
        spiffe_id=spiffe_id,
        x509_svid=b"".join(issued.chain),
        x509_svid_key=issued.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        bundle=b"".join(each.der for each in bundle),
    )


def response(*svids: Any, federated: dict[str, tuple[pki.Issued, ...]] | None = None) -> bytes:
    made = MESSAGES["X509SVIDResponse"](svids=svids)
    for name, bundle in (federated or {}).items():
        made.federated_bundles[name] = b"".join(each.der for each in bundle)
    return bytes(made.SerializeToString())


class Agent:
    """Serves one workload: `send` gives all streams another response, `refuse` ends them with a status."""

    def __init__(self, path: Path) -> None:
        self.address = f"unix:{path}"
        self.calls = 0
        self.metadata: list[dict[str, str]] = []
        self._latest: bytes | None = None
        self._status: tuple[grpc.StatusCode, str] | None = None
        self._streams: list[queue.SimpleQueue[bytes | None]] = []
        self._lock = threading.Lock()
        self._server = grpc.server(futures.ThreadPoolExecutor(8))
        handler = grpc.unary_stream_rpc_method_handler(self._fetch)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("SpiffeWorkloadAPI", {"FetchX509SVID": handler}),)
        )
        assert self._server.add_insecure_port(self.address)
        self._server.start()

    def _fetch(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        metadata = {str(each.key): str(each.value) for each in context.invocation_metadata()}
        mine: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        with self._lock:
            self.calls += 1
            self.metadata.append(metadata)
            status, latest = self._status, self._latest
            self._streams.append(mine)
        if request != b"" or metadata.get("workload.spiffe.io") != "true":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "security header missing from request")
        if status is not None:
            context.abort(*status)
        if latest is not None:
            yield latest
        while (each := mine.get()) is not None:
            yield each
        if self._status is not None:
            context.abort(*self._status)

    def send(self, data: bytes) -> None:
        with self._lock:
            self._latest, self._status = data, None
            for each in self._streams:
                each.put(data)

    def refuse(self, code: grpc.StatusCode, words: str) -> None:
        with self._lock:
            self._status = code, words
        self.hang_up()

    def hang_up(self) -> None:
        """End all streams in order."""
        with self._lock:
            streams, self._streams = self._streams, []
        for each in streams:
            each.put(None)

    def stop(self) -> None:
        self.hang_up()
        self._server.stop(0).wait(10)


@contextmanager
def agent(path: Path, first: bytes | None = None) -> Iterator[Agent]:
    made = Agent(path)
    if first is not None:
        made.send(first)
    try:
        yield made
    finally:
        made.stop()
