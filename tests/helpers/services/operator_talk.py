"""What tests share that ask a gateway as its operator does, over HTTP."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families


class UnixHTTP(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self._path)


def asked(path: Path, target: str, method: str = "GET", **fields: str) -> tuple[int, dict[str, str], bytes]:
    """Return status, fields and content of an answer."""
    connection = UnixHTTP(path)
    try:
        connection.request(method, target, headers=fields)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def samples(path: Path) -> dict[tuple, float]:
    """Return all samples by their names, without `bothways_gateway_`, and their labels in order of names."""
    status, fields, content = asked(path, "/metrics")
    assert (status, fields["content-type"].split(";")[0]) == (200, "text/plain")
    return {
        (
            each.name.removeprefix("bothways_gateway_"),
            *(value for _, value in sorted(each.labels.items())),
        ): each.value
        for family in text_string_to_metric_families(content.decode())
        for each in family.samples
    }
