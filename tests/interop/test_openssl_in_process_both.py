"""This machine's OpenSSL against our engine: what does not depend on the version of TLS, in each of them."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from bothways import Credentials, SignatureWanted
from interop.identities import client, server
from interop.in_process import BOTH_ROLES, GROUPS, Meeting, Theirs, mutual, our_client, our_server


@pytest.fixture(scope="session", params=["1.3", "1.2"])
def theirs(folder: Path, request: pytest.FixtureRequest) -> Theirs:
    return Theirs(folder, request.param)


@BOTH_ROLES
@pytest.mark.parametrize("group", GROUPS)
def test_openssl_agrees_on_every_group_with_us(role: str, group: str, theirs: Theirs) -> None:
    """RFC 9846 4.3.7, RFC 8422 5.1.1: in TLS 1.3 with a HelloRetryRequest, where its first share is another."""
    meeting = mutual(role, theirs, "RSA", groups=(group,))
    assert meeting.ours.group == group
    meeting.talk()


@BOTH_ROLES
@pytest.mark.parametrize("piece", [1, 7, 100])
def test_openssl_reaches_us_in_bits_of_any_size(role: str, piece: int, theirs: Theirs) -> None:
    """RFC 9846 5.1, RFC 5246 6.2.1: where the wire cuts says nothing."""
    mutual(role, theirs, piece=piece).talk()


@BOTH_ROLES
def test_openssl_and_we_pass_much_data_in_many_records(role: str, theirs: Theirs) -> None:
    """RFC 9846 5.1, RFC 5246 6.2.1: 300,000 bytes each way."""
    mutual(role, theirs).talk(b"o" * 300_000, b"t" * 300_000)


@BOTH_ROLES
def test_openssl_accepts_signatures_that_are_made_elsewhere(role: str, theirs: Theirs) -> None:
    """Steps 2.2 and 3.2 with a signer that answers later."""
    mine = client() if role == "client" else server()
    external = Credentials.external(mine.chain)
    if role == "client":
        ours = our_client(credentials=external).connection("localhost")
        meeting = Meeting(ours, theirs.server(asks=ssl.CERT_REQUIRED)).carry()
    else:
        meeting = Meeting(our_server(credentials=external).connection(), theirs.client()).carry()
    wanted = meeting.events[-1]
    assert isinstance(wanted, SignatureWanted)
    key = mine.credentials.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    meeting.events += meeting.ours.provide(wanted, key.sign(wanted.data, ec.ECDSA(SHA256())))
    meeting.carry().talk()
