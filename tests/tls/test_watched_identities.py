"""Credentials and anchors whose files change while a configuration is in use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import identities
import pki
from bothways import (
    ClientConfig,
    ConfigError,
    Credentials,
    Fault,
    PeerAlert,
    PeerFault,
    ServerConfig,
    TrustStore,
)
from bothways.iana import Alert
from bothways.trust import files, watched
from pair import Pair

VERSIONS = ("1.3", "1.2")


@pytest.fixture(autouse=True)
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each use looks, and takes what it sees."""
    monkeypatch.setattr(watched, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(files, "have_settled", lambda _stamps: True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "server", identities.server())
    (tmp_path / "ca.pem").write_bytes(identities.root().pem)
    return tmp_path


def write(folder: Path, name: str, issued: pki.Issued) -> None:
    """Replace certificate and key, each at once."""
    for suffix, content in ((".key", issued.key_pem), (".pem", issued.chain_pem)):
        beside = folder / f"new{suffix}"
        beside.write_bytes(content)
        beside.replace(folder / f"{name}{suffix}")


def renewed_server(kind: str = "P-384") -> pki.Issued:
    return pki.leaf(
        identities.middle(), "renewed", alternatives=["DNS:localhost"], key_kind=kind, **identities.SPAN
    )


def watched_server(folder: Path, **options: Any) -> ServerConfig:
    own = Credentials.watched(folder / "server.pem", folder / "server.key")
    anchors = TrustStore.watched(folder / "ca.pem")
    return ServerConfig(**{"credentials": own, "client_anchors": anchors, "judge_again": "change"} | options)


def talk(client: ClientConfig, server: ServerConfig) -> Pair:
    both = Pair(client.connection("localhost"), server.connection())
    both.exchange()
    return both


@pytest.mark.parametrize("version", VERSIONS)
def test_new_connections_have_the_new_certificate_and_open_ones_stay(folder: Path, version: str) -> None:
    server = watched_server(folder)
    client = identities.client_config(identities.client(), versions=(version,))
    before = talk(client, server)
    assert before.client.peer.certificate == identities.server().certificate
    made = renewed_server()
    write(folder, "server", made)
    after = talk(client, server)
    assert after.client.peer.certificate == made.certificate
    assert not before.server.evidence_changed
    before.client.send(b"still here")
    before.exchange()
    assert before.server_failure is None
    assert before.client.peer.certificate == identities.server().certificate


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_shows_the_certificate_that_its_files_hold_by_then(folder: Path, version: str) -> None:
    write(folder, "me", identities.client())
    own = Credentials.watched(folder / "me.pem", folder / "me.key")
    client = ClientConfig(anchors=identities.anchors(), credentials=own, versions=(version,))
    server = identities.server_config()
    assert talk(client, server).server.peer.names.common_name == "Ada"
    write(folder, "me", identities.client("Grace"))
    assert talk(client, server).server.peer.names.common_name == "Grace"


@pytest.mark.parametrize("version", VERSIONS)
def test_an_authority_that_is_taken_out_is_a_revocation_of_all_whom_it_vouched_for(
    folder: Path, version: str
) -> None:
    """New clients are refused, and who is connected is judged again and refused too."""
    server = watched_server(folder)
    client = identities.client_config(identities.client(), versions=(version,))
    open_ = talk(client, server)
    assert open_.server.established and not open_.server.evidence_changed
    (folder / "ca.pem").write_bytes(identities.root("Another Root").pem)
    assert open_.server.evidence_changed
    open_.server.judge_again()
    refused = open_.server.failure
    assert isinstance(refused, PeerFault)
    assert refused.fault is Fault.NO_PATH
    open_.client.receive(open_.server.data_to_send())
    assert isinstance(open_.client.failure, PeerAlert)
    assert open_.client.failure.alert == Alert.UNKNOWN_CA
    assert talk(client, server).server_failure.fault is Fault.NO_PATH
    assert talk(identities.client_config(identities.stranger()), server).server_failure is None


def test_an_authority_that_is_added_keeps_who_is_connected(folder: Path) -> None:
    server = watched_server(folder)
    open_ = talk(identities.client_config(identities.client()), server)
    (folder / "ca.pem").write_bytes(identities.root().pem + identities.root("Another Root").pem)
    open_.server.judge_again()
    assert open_.server.failure is None and not open_.server.evidence_changed


@pytest.mark.parametrize("content", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_files_that_cannot_be_taken_change_nothing_and_the_log_says_why(
    folder: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    server = watched_server(folder)
    (folder / "ca.pem").write_bytes(content)
    (folder / "server.pem").write_bytes(content)
    both = talk(identities.client_config(identities.client()), server)
    assert both.client_failure is None and both.server_failure is None
    for name in ("ca.pem", "server.pem"):
        assert any(
            str(folder / name) in each and "the earlier content stays in use" in each
            for each in caplog.messages
        )


def test_a_key_that_the_configuration_has_no_scheme_for_is_not_taken(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was checked when the configuration was made holds for what comes later."""
    server = watched_server(folder, schemes=("ecdsa_secp256r1_sha256",), versions=("1.3",))
    write(folder, "server", renewed_server("Ed25519"))
    both = talk(identities.client_config(identities.client()), server)
    assert both.client.peer.certificate == identities.server().certificate
    assert "no signature scheme that is in use fits it" in caplog.text


def test_watched_credentials_and_anchors_have_the_attributes_of_plain_ones(folder: Path) -> None:
    own = Credentials.watched(folder / "server.pem", folder / "server.key")
    plain = Credentials.from_files(folder / "server.pem", folder / "server.key")
    for name in ("chain", "certificates", "certificate", "names"):
        assert getattr(own, name) == getattr(plain, name)
    assert repr(own) == repr(plain) and own.matches("localhost")
    assert own.allows_key_usage("digital_signature") and plain.current is plain
    anchors = TrustStore.watched(folder / "ca.pem")
    assert (len(anchors), repr(anchors)) == (1, repr(identities.anchors()))
    assert anchors.subjects == identities.anchors().subjects
    for made in (own, anchors):
        with pytest.raises(AttributeError):
            made.nothing  # noqa: B018


def test_a_file_that_cannot_be_read_at_first_is_an_error_at_once(folder: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Credentials.watched(folder / "nothing.pem")
    with pytest.raises(ConfigError, match="neither PEM nor DER"):
        (folder / "ca.pem").write_bytes(b"garbage")
        TrustStore.watched(folder / "ca.pem")


def test_anchors_that_cannot_change_are_no_reason_to_judge_again() -> None:
    with pytest.raises(ConfigError, match="nor are anchors, pins or external PSKs watched"):
        identities.server_config(judge_again="change")
