"""What the commands that connect to a server are and trust."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bothways.cli.clients.client_side import ClientOptions
from bothways.cli.options.peer_keys import PeerKeys
from bothways.cli.options.revocation import Sources
from bothways.cli.options.side import Side
from bothways.cli.options.spiffe import Workload
from bothways.testing import MutualTLS


@pytest.fixture
def mutual(tmp_path: Path) -> Iterator[MutualTLS]:
    with MutualTLS(tmp_path) as made:
        yield made


@pytest.mark.network
def test_a_certificate_that_was_not_renewed_in_time_is_warned_of_once(mutual: MutualTLS) -> None:
    good, soon = mutual.identity("client"), mutual.identity("client", lifetime=timedelta(minutes=5))
    for mine, count in ((good, 0), (soon, 1)):
        side = Side(str(mine.cert), str(mine.key), None, (), False, Sources())
        check = ClientOptions(str(mutual.ca), side, Workload(), PeerKeys()).load("localhost").renewal_check()
        told = [line for _ in range(2) for line in check()]
        assert len(told) == count
        assert all(line.startswith("warning: our certificate (") for line in told)
