"""The fixtures. The modules that they need are imported when a test uses them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bothways.testing.mutual import MutualTLS


@pytest.fixture
def mtls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MutualTLS]:
    """Provide one test with its own CA, identities, servers and clients; the servers end with the test."""
    yield from _made(tmp_path_factory)


@pytest.fixture(scope="session")
def mtls_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MutualTLS]:
    """Provide the same for all tests of a run, for services that are started once."""
    yield from _made(tmp_path_factory)


def _made(folders: pytest.TempPathFactory) -> Iterator[MutualTLS]:
    from bothways.testing.mutual import MutualTLS

    with MutualTLS(folders.mktemp("mtls")) as made:
        yield made
