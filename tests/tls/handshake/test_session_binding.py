"""To what sessions are bound: whatever decides whether a peer passes, the same in every process."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import pki
from bothways import Credentials, TrustStore
from bothways.tls.handshake.session_binding import client_key, server_context
from bothways.trust.crl_store import CRLStore
from bothways.trust.path.name_matching import server_name
from bothways.trust.revocation import Revocation
from tls.handshake.conversations import (
    anchors,
    asking,
    authority,
    client_config,
    credentials,
    responses,
    server_config,
)

NAME = "localhost"


def context(own: Credentials | None = None, name: str | None = NAME, **options: Any) -> bytes:
    own = own or credentials("localhost")
    return server_context(server_config(**options).settings, own, name)


OTHER_ANCHORS = TrustStore.from_pem(pki.root("Another").pem)
DIFFERENT: dict[str, dict[str, Any]] = {
    "another name": {"name": "other.example"},
    "no name": {"name": None},
    "another identity": {"own": credentials("other.example")},
    "other anchors": {"client_anchors": OTHER_ANCHORS},
    "more anchors": {
        "client_anchors": TrustStore.from_certificates([*anchors().certificates, *OTHER_ANCHORS.certificates])
    },
    "a certificate is only requested": {"client_auth": "request"},
    "nobody is asked": {"client_auth": "none"},
    "revocation": {"revocation": Revocation(crls=CRLStore())},
    "other schemes": {"schemes": ("ecdsa_secp256r1_sha256",)},
    "other schemes in certificates": {"certificate_schemes": ("ecdsa_secp256r1_sha256",)},
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_settings_that_decide_about_clients_are_in_the_context(what: str) -> None:
    assert context(**DIFFERENT[what]) != context()


REVOCATIONS = (
    asking(),
    asking("require"),
    asking(covers="leaf"),
    asking(unknown="accept"),
    asking(ocsp=responses()),
    Revocation(crls=CRLStore()),
)


def test_every_policy_about_revocation_differs_from_every_other() -> None:
    assert len({context(revocation=each) for each in REVOCATIONS}) == len(REVOCATIONS)


def test_authorization_is_not_part_of_the_context() -> None:
    """Lists, who may come in, groups, application protocols and time limits may change, and sessions go on."""
    assert context(alpn=("h2",), groups=("secp256r1",), handshake_timeout=5.0) == context()
    assert context(allow=lambda peer: None) == context()
    with_lists = {"revocation": asking()}
    assert context(**with_lists) == context(revocation=asking())


def test_the_case_of_a_name_says_nothing() -> None:
    """RFC 9525 6.3."""
    assert context(name="LocalHost") == context()


def test_the_same_anchors_are_the_same_in_any_order() -> None:
    those = [*anchors().certificates, *OTHER_ANCHORS.certificates]
    one, other = TrustStore.from_certificates(those), TrustStore.from_certificates(reversed(those))
    assert context(client_anchors=one) == context(client_anchors=other)
    web = TrustStore.from_certificates(those, profile="web")
    assert web.digest != one.digest


SCRIPT = """
import sys
from bothways import Credentials, ServerConfig, TrustStore
from bothways.tls.handshake.session_binding import server_context
chain, key, anchor = (bytes.fromhex(each) for each in sys.argv[1:])
config = ServerConfig(credentials=Credentials.from_pem(chain, key), client_anchors=TrustStore.from_pem(anchor))
print(server_context(config.settings, config.credentials, "localhost").hex())
"""


def test_session_binding_is_the_same_in_another_process() -> None:
    """Workers that share keys resume each other's sessions, and so does a server that was started anew."""
    issued = pki.leaf(authority(), "localhost")
    given = issued.chain_pem, issued.key_pem, authority().above[0].pem
    command = [sys.executable, "-c", SCRIPT, *(each.hex() for each in given)]
    reported = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    own = Credentials.from_pem(issued.chain_pem, issued.key_pem)
    options = {"versions": ("1.3", "1.2"), "tickets": None}
    assert reported == context(own, **options).hex()


def test_a_client_keeps_sessions_by_whom_it_trusts_who_it_is_and_whom_it_wants() -> None:
    target = server_name("server.example")
    base = client_key(client_config().settings, target)
    several = (credentials("client.example"), credentials("other.example"))
    others = [
        client_key(client_config(anchors=OTHER_ANCHORS).settings, target),
        client_key(client_config(revocation=asking()).settings, target),
        client_key(client_config(credentials=None).settings, target),
        client_key(client_config(credentials=credentials("other.example")).settings, target),
        client_key(client_config(credentials=several).settings, target),
        client_key(client_config().settings, server_name("other.example")),
        client_key(client_config().settings, server_name("127.0.0.1")),
    ]
    assert len({base, *others}) == len(others) + 1
    assert client_key(client_config(alpn=("h2",)).settings, server_name("Server.Example.")) == base
