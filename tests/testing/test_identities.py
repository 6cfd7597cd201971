"""Each kind is judged as its name says, by our own trust and by OpenSSL's."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bothways import ConfigError, Credentials, Fault
from bothways.testing.identities import KINDS, PASSWORD, ROLES, Identities, Identity
from bothways.trust import CRLStore, Purpose, Refused, Revocation, Trusted, verify
from interop.peers import find
from once import once

PURPOSES = {"server": Purpose.SERVER, "client": Purpose.CLIENT}
NAMES = {"server": "localhost", "client": "client.example"}
REFUSED_FOR = {
    "good": None,
    "expired": Fault.CERTIFICATE_EXPIRED,
    "revoked": Fault.REVOKED,
    "wrong_name": Fault.NAME_MISMATCH,
    "unknown_ca": Fault.NO_PATH,
    "expires_soon": None,
}
OPENSSL = {
    "good": None,
    "expired": "certificate has expired",
    "revoked": "certificate revoked",
    "wrong_name": "hostname mismatch",
    "unknown_ca": "unable to get local issuer certificate",
    "expires_soon": None,
}
CASES = [(role, kind) for role in ROLES for kind in KINDS]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    return Identities(tmp_path_factory.mktemp("identities"))


@pytest.mark.parametrize(("role", "kind"), CASES)
def test_each_kind_is_refused_for_what_it_is_called_and_for_nothing_else(made, role, kind):
    identity = made.identity(role, kind)
    verdict = verify(
        identity.credentials.chain, made.anchors, purpose=PURPOSES[role], name=NAMES[role],
        at=datetime.now(UTC), revocation=Revocation(crls=made.crls),
    )  # fmt: skip
    if REFUSED_FOR[kind] is None:
        assert isinstance(verdict, Trusted)
    else:
        assert isinstance(verdict, Refused)
        assert verdict.reasons[0].fault is REFUSED_FOR[kind]
        assert {each.fault for each in verdict.reasons} <= {REFUSED_FOR[kind], Fault.REVOCATION_UNKNOWN}


@pytest.mark.interop
@pytest.mark.parametrize(("role", "kind"), CASES)
def test_openssl_judges_the_files_in_the_same_way(made, role, kind):
    identity = made.identity(role, kind)
    run = subprocess.run(
        [
            find("openssl"), "verify", "-CAfile", made.ca, "-CRLfile", made.crl, "-crl_check_all",
            "-purpose", f"ssl{role}", "-verify_hostname", NAMES[role], "-untrusted", identity.cert, identity.cert,
        ],
        capture_output=True, text=True,
    )  # fmt: skip
    if OPENSSL[kind] is None:
        assert run.returncode == 0, run.stderr
    else:
        assert re.search(OPENSSL[kind], run.stderr, re.IGNORECASE)


def test_the_files_of_an_identity_all_hold_the_same_one(made):
    identity = made.identity("client")
    password = PASSWORD.encode()
    for one in (
        Credentials.from_files(identity.cert, identity.key),
        Credentials.from_files(identity.pem),
        Credentials.from_files(identity.p12, password=password),
    ):
        assert one.chain == identity.credentials.chain
    assert len(identity.credentials.chain) == 2


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_only_the_owner_can_read_a_private_key(made):
    """PostgreSQL, for one, refuses a key that others can read; certificates are for everybody."""
    me = made.identity("server")
    assert all(stat.S_IMODE(file.stat().st_mode) & 0o077 == 0 for file in (me.key, me.pem, me.p12))
    assert made.ca.stat().st_mode & 0o400


def test_an_identity_is_the_same_each_time_unless_something_is_asked_of_it(made):
    assert made.identity("server") is made.identity("server", "good")
    other = made.identity("server", dns=["api.example"], lifetime=timedelta(minutes=1))
    assert other.credentials.names.dns == ("api.example",)
    left = other.credentials.certificate.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(0) < left <= timedelta(minutes=1)
    assert made.identity("server").credentials.names.dns == ("localhost",)


def test_an_identity_that_expires_soon_does_so_within_the_hour(made):
    left = made.identity("server", "expires_soon").credentials.certificate.not_valid_after_utc - datetime.now(
        UTC
    )
    assert timedelta(minutes=50) < left <= timedelta(hours=1)


def test_an_identity_is_revoked_in_the_file_and_in_what_configurations_share(tmp_path: Path):
    made = Identities(tmp_path)
    identity = made.identity("client")
    before, listed = made.crl.read_bytes(), made.crls.generation
    made.revoke(identity)
    assert made.crl.read_bytes() != before
    assert made.crls.generation > listed
    again = made.identity("client", "revoked", dns=["late.example"])
    for each in (identity, again, made.identity("client", "revoked")):
        verdict = verify(
            each.credentials.chain, made.anchors, purpose=Purpose.CLIENT, name=None, at=datetime.now(UTC),
            revocation=Revocation(crls=made.crls),
        )  # fmt: skip
        assert verdict.reasons[0].fault is Fault.REVOKED


def test_a_role_or_kind_that_there_is_not_is_named_with_those_that_there_are(made):
    with pytest.raises(ConfigError, match="kind: 'stolen' is none; expected one of good, expired"):
        made.identity("server", "stolen")
    with pytest.raises(ConfigError, match="role: 'proxy' is none; expected server or client"):
        made.identity("proxy")


def test_several_threads_get_the_same_identities_and_lose_no_revocation(tmp_path: Path) -> None:
    made = Identities(tmp_path)
    begins = threading.Barrier(8)

    def ask(number: int) -> Identity:
        begins.wait(60)
        made.identity("client", "revoked", dns=[f"{number}.example"])
        return made.identity("client", "expired")

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))
    assert len({id(each) for each in found}) == 1
    [newest] = [each for each in CRLStore.from_files(made.crl) if len(each)]
    assert len(newest) == len(ROLES) + 8
    assert len(set(tmp_path.glob("client-revoked-*.p12"))) == 9


def test_what_tests_share_is_made_once_by_several_threads() -> None:
    begins = threading.Barrier(8)

    @once
    def make(what: str) -> list[str]:
        time.sleep(0.01)
        return [what]

    def ask(number: int) -> list[str]:
        begins.wait(60)
        return make("ab"[number % 2])

    with ThreadPoolExecutor(8) as pool:
        assert len({id(each) for each in pool.map(ask, range(8))}) == 2
