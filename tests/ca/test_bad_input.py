"""Wrong requests and failures: they are reported, and nothing is half done, on each kind of database."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from bothways.ca.authority import Authority
from bothways.ca.errors import AuthorityError, DatabaseUnavailable, FileUnusable
from bothways.ca.home.init import InitOptions
from bothways.ca.issuer import Issuer
from bothways.ca.profiles import Constraints, Holder, Profile
from bothways.ca.register.register import Register
from bothways.cli.ca.output_files import OutputFiles
from bothways.errors import UsageError
from bothways.trust.decoding.parsing import WrongPassphrase
from ca.databases import Cluster, execute
from ca.issuers import DAY, NOW, Clock, client, new_issuer
from ca.records import new_register, record
from command_line import environment

LIMITS = Constraints(permitted_dns=("example.com",))


@pytest.fixture
def shared(tmp_path: Path, clock: Clock, url: str) -> Iterator[Issuer]:
    """An issuer over each kind of store, with one certificate that is revoked and one that is good."""
    with new_issuer(tmp_path / "ca", clock, database_url=url, constraints=LIMITS) as made:
        made.revoke(client(made, "revoked"), "superseded")
        client(made, "good")
        made.crl()
        yield made


def serial(issuer: Issuer, name: str) -> int:
    return issuer.register.find_by_name(name)[0].serial


def turned_back(issuer: Issuer) -> None:
    clock = issuer.authority.now
    assert isinstance(clock, Clock)
    clock.at = NOW - DAY


ASKED: list[tuple[str, Callable[[Issuer], object], str]] = [
    ("twice", lambda o: o.revoke(serial(o, "revoked"), "keyCompromise"), "is revoked already, for superseded"),
    ("unknown", lambda o: o.revoke(42), "no certificate with the serial number 2a was issued here"),
    ("unknown release", lambda o: o.release(42), "no certificate with the serial number 2a"),
    ("unknown renewal", lambda o: o.renew(42), "no certificate with the serial number 2a"),
    ("final", lambda o: o.release(serial(o, "revoked")), "which is final; only certificateHold can be released"),
    ("good", lambda o: o.release(serial(o, "good")), "is not revoked; only certificateHold"),
    ("reason", lambda o: o.revoke(serial(o, "good"), "boredom"), "'boredom' is no revocation reason"),
    ("renew", lambda o: o.renew(serial(o, "revoked")), "revoked: was revoked on 2026-06-01"),
    ("names", lambda o: o.issue(Profile.SERVER, Holder(None, ("a.example.org",))), "the certificate would be refused"),
    ("garbage", lambda o: o.sign(b"garbage", Profile.CLIENT), "is not a certificate signing request, or malformed"),
    ("clock", lambda o: (turned_back(o), client(o, "late")), "set the clock"),
    ("clock of lists", lambda o: (turned_back(o), o.crl()), "set the clock"),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "problem"), [row[1:] for row in ASKED], ids=[row[0] for row in ASKED])
def test_a_failed_operation_is_reported_and_leaves_the_register_unchanged(
    shared: Issuer, ask: Callable[[Issuer], object], problem: str
) -> None:
    before = shared.register.check_audit(), list(shared.register.all())
    with pytest.raises((AuthorityError, UsageError), match=problem):
        ask(shared)
    assert (shared.register.check_audit(), list(shared.register.all())) == before


def test_a_wrong_passphrase_opens_nothing(tmp_path: Path, clock: Clock, url: str) -> None:
    Issuer.create(tmp_path / "ca", InitOptions("Test", database_url=url), b"right", now=clock).close()
    with pytest.raises(WrongPassphrase, match="cannot be decrypted with this passphrase"):
        Issuer.open(tmp_path / "ca", b"wrong", now=clock)


def read_only(url: str) -> str:
    """The same store for one who may read it and no more."""
    if url.startswith("sqlite"):
        return f"{url.replace('sqlite:///', 'sqlite:///file:')}?mode=ro&uri=true"
    reader = f"reader_of_{make_url(url).database}"
    execute(url, f"CREATE ROLE {reader} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}")
    return url.replace("postgres@", f"{reader}@")


def test_a_read_only_database_is_reported_and_can_be_read(url: str) -> None:
    with new_register(url) as register:
        record(register, 1)
    with Register.open(read_only(url), "a" * 64) as register:
        with pytest.raises(DatabaseUnavailable, match="readonly database|permission denied for table"):
            record(register, 2)
        assert [entry.serial for entry in register.all()] == [1]
        assert register.check_audit().number == 1


def issue(folder: Path, out: str, most: int) -> subprocess.CompletedProcess[str]:
    """Run `ca issue` in a process whose files may be so large and no larger, as on a full disk.

    It writes no bytecode: what is cut off there, every later process would fail to import.
    """
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "bothways.cli", "ca", "issue", "ca",
         "--profile", "client", "--name", "alice", "--out", out],
        cwd=folder, env=environment(PYTHONDONTWRITEBYTECODE="1"), capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )  # fmt: skip


def test_a_full_disk_is_reported_and_nothing_is_issued(tmp_path: Path) -> None:
    Issuer.create(tmp_path / "ca", InitOptions("Test"), None).close()
    done = issue(tmp_path, "alice", 8192)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith(f"bothways: the database sqlite:///{tmp_path / 'ca' / 'register.db'}: ")
    assert "disk" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["ca"]
    with Issuer.open(tmp_path / "ca", None) as issuer:
        assert list(issuer.register.all()) == []
        assert client(issuer, "bob")
        issuer.audit()


@pytest.mark.skipif(not os.access("/proc", os.X_OK), reason="needs /proc, where nobody can write")
def test_an_unwritable_directory_is_reported_before_anything_is_issued(tmp_path: Path) -> None:
    with pytest.raises(FileUnusable, match="/proc/nowhere/ca: .*; it was not changed"):
        Issuer.create(Path("/proc/nowhere/ca"), InitOptions("Test"), None)
    Issuer.create(tmp_path / "ca", InitOptions("Test"), None).close()
    done = issue(tmp_path, "/proc/alice", resource.RLIM_INFINITY)
    assert done.returncode == 2
    assert "/proc: no file can be created in it" in done.stderr
    with Issuer.open(tmp_path / "ca", None) as issuer:
        assert list(issuer.register.all()) == []


def test_a_certificate_that_was_recorded_and_cannot_be_written_is_named(tmp_path: Path) -> None:
    issued = Authority.create("Test").issue(Profile.CLIENT, "alice")
    (tmp_path / "alice.pem").mkdir()
    with pytest.raises(
        FileUnusable, match=f"{issued.serial:x} is in the register, but was not written"
    ) as reported:
        OutputFiles(str(tmp_path / "alice")).write(issued)
    assert "alice.pem" in str(reported.value)


def test_an_interrupted_database_is_reported_and_used_again(
    tmp_path: Path, clock: Clock, cluster: Cluster, postgresql: str
) -> None:
    with new_issuer(tmp_path / "ca", clock, database_url=postgresql) as issuer:
        name = make_url(postgresql).database
        execute(cluster.url(), f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        execute(cluster.url(), "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                f"WHERE datname = '{name}'")  # fmt: skip
        with pytest.raises(DatabaseUnavailable, match="not currently accepting connections"):
            client(issuer, "alice")
        execute(cluster.url(), f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        client(issuer, "alice")
        assert len(issuer.audit()) == 1
