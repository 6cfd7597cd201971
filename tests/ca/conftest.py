"""An issuer and its clock; databases for registers, each test of them on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from bothways.ca.home import key_encryption
from bothways.ca.issuer import Issuer
from ca.databases import Cluster, running_cluster
from ca.issuers import Clock, new_issuer

RSA_KEYS: list[rsa.RSAPrivateKey] = []
MOST_RSA_KEYS = 8


@pytest.fixture(scope="module", autouse=True)
def quick_keys() -> Iterator[None]:
    """RSA keys for a CA are made once and given in turn, and passphrases are quick to try."""
    turns, generate = count(), rsa.generate_private_key

    def in_turn(public_exponent: int, key_size: int) -> rsa.RSAPrivateKey:
        if (public_exponent, key_size) != (65537, 3072):
            return generate(public_exponent, key_size)
        if len(RSA_KEYS) < MOST_RSA_KEYS:
            RSA_KEYS.append(generate(public_exponent, key_size))
            return RSA_KEYS[-1]
        return RSA_KEYS[next(turns) % MOST_RSA_KEYS]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rsa, "generate_private_key", in_turn)
        patch.setattr(key_encryption, "COST", 2)
        yield


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer(tmp_path: Path, clock: Clock) -> Iterator[Issuer]:
    made = new_issuer(tmp_path / "ca", clock)
    yield made
    made.close()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.interop)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store; a test that asks for it runs once on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'register.db'}"
    made: str = request.getfixturevalue("postgresql")
    return made


@pytest.fixture
def postgresql(cluster: Cluster) -> Iterator[str]:
    """An empty database of PostgreSQL, for as long as the test runs."""
    with cluster.database() as made:
        yield made
