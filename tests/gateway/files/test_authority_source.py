"""A gateway whose certificate, trust and CRL come from the directory of our own CA."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from bothways import ClientConfig, ConfigError, PeerAlert, TrustStore
from bothways.aio import connect
from bothways.ca.home.init import InitOptions
from bothways.ca.issuer import Issuer
from bothways.ca.profiles import Holder, Profile
from bothways.errors import TLSError
from bothways.gateway.config.authority import LISTS, AuthorityIdentity
from bothways.gateway.files import authority_source as module
from bothways.gateway.files.authority_source import IssuedCertificate, NewestLists, source_of
from bothways.gateway.files.sources import ContentSources
from bothways.gateway.server import Gateway
from bothways.net import connect as connect_socket
from bothways.trust.crl.revocation_list import crls_in
from bothways.trust.own_identity.credentials import Credentials
from ca.issuers import Clock
from cli_scripting import Background
from gateway_talk import ANYBODY, Setting, behind, port, service

pytestmark = pytest.mark.network

PASSPHRASE = b"correct horse battery staple"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    Issuer.create(tmp_path / "ca", InitOptions("Test"), None).close()
    return tmp_path / "ca"


@pytest.fixture
def identity(directory: Path) -> AuthorityIdentity:
    return AuthorityIdentity(str(directory), None, 24, ("a.example", "10.0.0.1", "urn://x"))


def opened(directory: Path) -> Issuer:
    return Issuer.open(directory, None, actor="tester")


def issued(directory: Path) -> list[tuple[str, str]]:
    """Who issued what, by the audit log, which is verified."""
    with opened(directory) as issuer:
        return [(each.action, each.actor) for each in issuer.audit()]


def member(directory: Path, name: str) -> tuple[ClientConfig, int]:
    with opened(directory) as issuer:
        made = issuer.issue(Profile.CLIENT, Holder(name))
        return ClientConfig(
            anchors=TrustStore.from_certificates([issuer.authority.root]), credentials=made.credentials
        ), made.serial


def write(setting: Setting, route: str, keys: str = "") -> None:
    setting.path.write_text(
        f'[identity]\nauthority = "ca"\n{keys}\n[log]\nformat = "json"\n'
        f"[[listener]]\nport = 0\n[[route]]\n{route}\n"
    )


async def answered(setting: Setting, gateway: Gateway, config: ClientConfig) -> Any:
    reader, writer = await connect("127.0.0.1", port(gateway), config, "localhost")
    setting.writers.append(writer)
    writer.write(b"x")
    assert await reader.read(1) == b"x"
    return reader, writer


def test_a_certificate_is_issued_for_the_names_of_the_route_and_a_revocation_counts_at_once(
    setting: Setting, directory: Path
) -> None:
    """What was issued is in the register and its audit log; clients of the same CA are trusted, by its newest CRL."""
    ada, serial = member(directory, "ada")
    bob, _ = member(directory, "bob")

    async def talk() -> None:
        async with service() as behind:
            write(setting, behind.route())
            async with setting.gateway() as gateway:
                reader, _ = await answered(setting, gateway, ada)
                await answered(setting, gateway, bob)
                with opened(directory) as issuer:
                    issuer.revoke(serial)
                with pytest.raises(PeerAlert, match="certificate_revoked"):
                    await reader.read()
                with pytest.raises(TLSError):
                    await answered(setting, gateway, ada)
                await answered(setting, gateway, bob)
                own = gateway.routes.all[0].server.settings.identity.own[0]
                assert own.names.dns == ("localhost",)
                assert timedelta(hours=23) < own.not_after - datetime.now(UTC) <= timedelta(hours=24)
                assert await setting.reload()
                assert gateway.routes.all[0].server.settings.identity.own[0] is own

    asyncio.run(talk())
    log = issued(directory)
    assert [action for action, _ in log] == ["issue", "issue", "crl", "issue", "revoke", "crl"]
    assert [actor.startswith("gateway ") for _, actor in log] == [False, False, True, True, False, True]


def test_a_check_issues_nothing(setting: Setting, directory: Path) -> None:
    write(setting, f'server_names = "a.example"\nbackend = "localhost:1"\n{ANYBODY}')
    routes = setting.load()
    assert routes.all[0].server.settings.identity.own[0].names.dns == ("a.example",)
    assert issued(directory) == []


def test_another_certificate_is_issued_when_two_thirds_of_the_lifetime_are_over(
    identity: AuthorityIdentity, directory: Path
) -> None:
    clock, monotonic = Clock(datetime.now(UTC) + timedelta(minutes=1)), Clock()
    source = IssuedCertificate(identity, at=clock, now=lambda: monotonic.at.timestamp())
    first = Credentials.from_pem(source.first())
    assert (first.names.dns, first.names.ip, first.names.uri) == (("a.example",), ("10.0.0.1",), ("urn://x",))
    for hours, is_new in ((15.9, False), (0.2, True), (15.9, False), (0.2, True)):
        before = source.generation
        clock.at += timedelta(hours=hours)
        monotonic.at += timedelta(hours=hours)
        assert source.poll() == []
        assert (source.generation > before) is is_new
    last = Credentials.from_pem(source.first())
    assert last.not_after > first.not_after + timedelta(hours=32)
    assert last.certificate.public_key() != first.certificate.public_key()


@pytest.fixture
def renewing(identity: AuthorityIdentity) -> Iterator[tuple[IssuedCertificate, Clock]]:
    """A source whose certificate is due, and has been issued already."""
    clock = Clock(datetime.now(UTC) + timedelta(minutes=1))
    source = IssuedCertificate(identity, at=clock, now=lambda: clock.at.timestamp())
    source.first()
    clock.at += timedelta(hours=17)
    yield source, clock
    clock.at += timedelta(seconds=module.PAUSE_SECONDS)


def test_a_missing_authority_keeps_the_earlier_certificate_and_is_reported_once(
    renewing: tuple[IssuedCertificate, Clock], directory: Path
) -> None:
    source, clock = renewing
    before = source.first()
    directory.rename(directory.with_name("moved"))
    [told] = source.poll()
    assert "contains no CA" in told and "the earlier certificate stays in use" in told
    clock.at += timedelta(seconds=module.PAUSE_SECONDS)
    assert source.poll() == []
    assert source.first() == before
    directory.with_name("moved").rename(directory)
    clock.at += timedelta(seconds=module.PAUSE_SECONDS)
    assert source.poll() == []
    assert source.first() != before


def test_a_register_that_others_keep_locked_is_waited_for_only_shortly(
    renewing: tuple[IssuedCertificate, Clock], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.05)
    source, clock = renewing
    before = source.first()
    other = sqlite3.connect(directory / "register.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    [told] = source.poll()
    assert "register.db" in told and "the earlier certificate stays in use" in told
    assert source.first() == before
    other.execute("ROLLBACK")
    other.close()
    clock.at += timedelta(seconds=module.PAUSE_SECONDS)
    assert source.poll() == []
    assert source.first() != before


def test_a_register_that_cannot_be_written_to_keeps_the_earlier_certificate(
    renewing: tuple[IssuedCertificate, Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every write fails as on a file system that is read-only, also for a user who may do everything."""
    source, _ = renewing
    connected = sqlite3.connect

    def read_only(*given: Any, **named: Any) -> sqlite3.Connection:
        made = connected(*given, **named)
        made.execute("PRAGMA query_only = ON")
        return made

    monkeypatch.setattr(sqlite3.dbapi2, "connect", read_only)
    [told] = source.poll()
    assert "readonly database" in told and "the earlier certificate stays in use" in told


def test_a_ca_that_is_another_one_issues_at_once(identity: AuthorityIdentity, directory: Path) -> None:
    clock = Clock()
    source = IssuedCertificate(identity, now=lambda: clock.at.timestamp())
    before = Credentials.from_pem(source.first())
    directory.rename(directory.with_name("old"))
    Issuer.create(directory, InitOptions("Other"), None).close()
    clock.at += timedelta(seconds=2)
    assert source.poll() == []
    assert Credentials.from_pem(source.first()).certificate.issuer != before.certificate.issuer


def test_a_crl_is_signed_only_where_one_is_due(identity: AuthorityIdentity, directory: Path) -> None:
    clock = Clock()
    source = NewestLists(identity, now=lambda: clock.at.timestamp())
    own, root = crls_in(source.first(), "it")
    assert own.issuer_text != root.issuer_text
    _, serial = member(directory, "ada")
    clock.at += timedelta(seconds=2)
    assert (source.poll(), source.generation) == ([], 1)
    with opened(directory) as issuer:
        issuer.revoke(serial)
    clock.at += timedelta(seconds=2)
    assert (source.poll(), source.generation) == ([], 2)
    newest = x509.load_pem_x509_crl(source.first())
    assert newest.get_revoked_certificate_by_serial_number(serial) is not None
    assert [action for action, _ in issued(directory)] == ["crl", "issue", "revoke", "crl"]


def test_the_passphrase_of_the_ca_is_in_a_file(tmp_path: Path) -> None:
    Issuer.create(tmp_path / "ca", InitOptions("Test"), PASSPHRASE).close()
    file = tmp_path / "passphrase"
    file.write_bytes(PASSPHRASE + b"\n")
    identity = AuthorityIdentity(str(tmp_path / "ca"), str(file), 24, ("a.example",))
    assert Credentials.from_pem(ContentSources().content(identity.source)).names.dns == ("a.example",)
    unnamed = identity._replace(password=None)
    with pytest.raises(ConfigError, match="name a file with the passphrase in `password_file`"):
        ContentSources().content(unnamed.source)
    file.write_bytes(b"guessed")
    with pytest.raises(ConfigError, match="cannot be decrypted") as refused:
        ContentSources().content(identity.source)
    assert str(refused.value).startswith(identity.directory)
    assert "guessed" not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"key": "pkcs11:token=ca;object=issuing"}, "its key is in a token"),
        ({"store": "postgresql://ca@db.example/ca"}, "its register is in a database of its own"),
    ],
)
def test_a_ca_that_could_keep_the_gateway_waiting_is_refused(
    identity: AuthorityIdentity, directory: Path, settings: dict[str, str], problem: str
) -> None:
    file = directory / "authority.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    with pytest.raises(ConfigError, match=problem):
        ContentSources().content(identity.source)


def test_a_source_says_in_one_line_what_it_is(identity: AuthorityIdentity) -> None:
    odd = AuthorityIdentity("/a b/?&", "/p#1", 3, ("*.a.example", "spiffe://e/a"))
    assert AuthorityIdentity.of_source(odd.source) == odd
    assert AuthorityIdentity.of_source(odd.lists) == odd._replace(hours=24, names=())
    assert (
        odd.source
        == "authority:/a%20b/%3F%26?hours=3&name=*.a.example&name=spiffe://e/a&password_file=/p%231"
    )
    assert odd.lists.startswith(LISTS)
    assert isinstance(source_of(odd.lists, issues=False), NewestLists)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("names = 'a b'", "names: "),
        ("lifetime_hours = 0", "0 is out of range; expected 1 to 2160"),
        ("certificate = 'a.pem'", "`authority` and `certificate`: name one of them"),
        ("spiffe = 'unix:/a'", "`authority` and `spiffe`: name one of them"),
    ],
)
def test_a_certificate_that_cannot_be_issued_refuses_the_file(
    setting: Setting, directory: Path, keys: str, problem: str
) -> None:
    write(setting, f'server_names = "a.example"\nbackend = "localhost:1"\n{ANYBODY}', keys)
    with pytest.raises(ConfigError, match="gateway.toml") as refused:
        setting.load()
    assert problem in str(refused.value)
    write(setting, f'backend = "localhost:1"\n{ANYBODY}')
    with pytest.raises(ConfigError, match="`names` is missing here and in"):
        setting.load()
    setting.path.write_text(setting.path.read_text().replace("authority", "names"))
    with pytest.raises(ConfigError, match="`names` without `authority`"):
        setting.load()


def test_every_worker_has_the_certificate_that_the_supervisor_has_issued(
    setting: Setting, directory: Path
) -> None:
    ada, serial = member(directory, "ada")
    with behind() as port_behind:
        write(setting, f'backend = "127.0.0.1:{port_behind}"\n{ANYBODY}', 'names = "localhost"')
        server = Background(["gateway", "-c", "gateway.toml", "--workers", "2"], setting.folder)
        try:
            for _ in range(4):
                assert reaches(server, ada)
            with opened(directory) as issuer:
                issuer.revoke(serial)
            end = datetime.now(UTC) + timedelta(seconds=15)
            while "all workers use what was read" not in server.printed:
                assert datetime.now(UTC) < end, server.printed
            assert not any(reaches(server, ada) for _ in range(4))
        finally:
            server.end()
    assert [action for action, _ in issued(directory)].count("issue") == 2
    assert "Traceback" not in server.printed


def reaches(server: Background, config: ClientConfig) -> bool:
    try:
        with connect_socket("127.0.0.1", int(server.port or 0), config, "localhost") as channel:
            channel.sendall(b"hello\n")
            return channel.recv(6) == b"hello\n"
    except (PeerAlert, OSError):
        return False
