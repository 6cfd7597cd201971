"""What fails on our side before or beside a connection has its own cause: never the network, never the system."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

import identities
import pki
from bothways import ClientConfig, ConfigError, Credentials, ServerConfig, TrustStore, explain_failure
from bothways.ca.errors import RequestRefused
from bothways.diagnosis import Cause, Weight
from bothways.diagnosis.causes import Party
from bothways.errors import AuthenticationUnavailable, UnusableFile, UsageError
from bothways.ssl import SSLContext
from bothways.tls.ech.configs import ECHConfigList
from bothways.tls.ech.keys import ECHKey
from bothways.trust.crl_store import CRLStore
from bothways.trust.keys.external_psks import ExternalPSKs
from bothways.trust.keys.pins import PinnedKeys
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.own_identity.raw_key import RawKeyCredentials
from diagnosis.own_side.test_chain import LATE

MINE = identities.client()
ABSENT = "no/such/file.pem"


LOADERS: dict[str, Callable[[str], object]] = {
    "credentials": Credentials.from_files,
    "watched credentials": Credentials.watched,
    "anchors": TrustStore.from_file,
    "watched anchors": TrustStore.watched,
    "exact certificates": lambda path: TrustStore.from_file(None, exact=path),
    "lists": CRLStore.from_files,
    "OCSP responses": OCSPStore.from_files,
    "pins": PinnedKeys.from_file,
    "raw key": RawKeyCredentials.from_file,
    "pre-shared keys": ExternalPSKs.from_file,
    "ECH configurations": ECHConfigList.load,
    "ECH key": ECHKey.load,
}


@pytest.mark.parametrize("what", LOADERS)
@pytest.mark.parametrize("content", [None, b"\xff\x00nothing of that kind"], ids=["absent", "other content"])
def test_a_file_that_cannot_be_used_is_named_whatever_it_is_for(
    what: str, content: bytes | None, tmp_path: Path
) -> None:
    """Each loader of the public face, with a file that is missing and with one of another content."""
    path = tmp_path / "given"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        LOADERS[what](str(path))
    assert isinstance(caught.value, UnusableFile)
    assert caught.value.code == "UNREADABLE"
    found = explain_failure(caught.value)
    assert (found.first.cause, found.first.party, found.first.weight) == (
        Cause.UNREADABLE,
        Party.OURS,
        Weight.CERTAIN,
    )
    assert str(path) in found.first.text
    assert "system" not in str(found)


@pytest.mark.parametrize(
    ("password", "remedy"), [(None, "give its password"), (b"wrong", "that it was encrypted with")]
)
@pytest.mark.parametrize("bundle", [False, True], ids=["PEM", "PKCS#12"])
def test_a_password_is_asked_for_where_one_is_missing_or_wrong(
    password: bytes | None, remedy: str, bundle: bool
) -> None:
    with pytest.raises(ConfigError) as caught:
        if bundle:
            Credentials.from_pkcs12(MINE.p12(b"right"), password)
        else:
            Credentials.from_pem(MINE.chain_pem, MINE.encrypted_key_pem(b"right"), password)
    found = explain_failure(caught.value)
    assert found.first.cause is Cause.UNREADABLE
    assert remedy in found.first.remedy


def test_a_key_of_another_certificate_is_explained_as_such() -> None:
    with pytest.raises(ConfigError) as caught:
        Credentials.from_pem(identities.server().chain_pem, MINE.key_pem)
    found = explain_failure(caught.value)
    assert (found.first.cause, found.first.party) == (Cause.KEY_MISMATCH, Party.OURS)


@pytest.mark.parametrize(
    "call",
    [
        lambda: ClientConfig(),
        lambda: ServerConfig(credentials="me.pem"),
        lambda: identities.client_config(versions=("1.9",)),
        lambda: identities.client_config(alpn=("",)),
        lambda: identities.client_config().connection("not a name"),
        lambda: Credentials.from_pem(MINE.chain_pem, MINE.key_pem, password=7),
        lambda: TrustStore.from_pem("text"),
        lambda: SSLContext(7),
    ],
)
def test_a_wrong_configuration_is_no_failure_of_the_system(call: Callable[[], object]) -> None:
    with pytest.raises(ConfigError) as caught:
        call()
    found = explain_failure(caught.value)
    assert (found.first.cause, found.first.party) == (Cause.MISUSE, Party.OURS)
    assert str(caught.value).partition("\n")[0][:40] in found.first.text


@pytest.mark.parametrize(
    ("error", "cause", "word"),
    [
        (UsageError("send: the connection is closed"), Cause.MISUSE, "is closed"),
        (AuthenticationUnavailable("the client did not offer it"), Cause.CANNOT_BE_ASKED, "did not offer it"),
        (RequestRefused("the profile allows no such name"), Cause.OTHER_ERROR, "no such name"),
        (FileNotFoundError(2, "No such file or directory", ABSENT), Cause.UNREADABLE, ABSENT),
        (PermissionError(13, "Permission denied", "my.key"), Cause.UNREADABLE, "my.key: Permission denied"),
        (ValueError("a\x1b[0mb"), Cause.OTHER_ERROR, "a\\x1b[0mb"),
        (KeyboardInterrupt(), Cause.OTHER_ERROR, "KeyboardInterrupt"),
        (OSError(24, "Too many open files"), Cause.LOCAL_FAILURE, "Too many open files"),
    ],
    ids=repr,
)
def test_an_exception_that_is_no_connection_failure_is_not_called_one(
    error: BaseException, cause: Cause, word: str
) -> None:
    """Of an OSError that one about a file is, which has its name."""
    found = explain_failure(error)
    assert found.first.cause is cause
    assert word in found.first.text
    if cause is not Cause.LOCAL_FAILURE:
        assert "connection failed" not in found.happened


ROOT = pki.root("Own Root", **identities.SPAN)
ISSUING = pki.intermediate(ROOT, "Own Issuing", **identities.SPAN)
LEAF = pki.leaf(ISSUING, "ada", **identities.SPAN)
BROKEN = pki.leaf(ISSUING, "ada", broken=True, **identities.SPAN)
EXPIRED = pki.leaf(ISSUING, "ada", **LATE, own_key=pki.key("P-256", 41))


@pytest.mark.parametrize(
    ("pem", "key", "causes"),
    [
        (LEAF.pem + ROOT.pem, LEAF, ["INTERMEDIATE_MISSING"]),
        (BROKEN.pem + ISSUING.pem, BROKEN, ["SIGNATURE_WRONG"]),
        (LEAF.pem, EXPIRED, ["KEY_MISMATCH"]),
        (EXPIRED.pem, LEAF, ["KEY_MISMATCH", "EXPIRED"]),
    ],
    ids=["a gap", "an altered certificate", "another key", "another key, and expired"],
)
def test_own_files_that_do_not_fit_are_told_by_what_is_wrong_with_them(
    pem: bytes, key: pki.Issued, causes: list[str]
) -> None:
    """By one code in programs and in the JSON of commands; the right key alone would not help where both are wrong."""
    with pytest.raises(ConfigError) as caught:
        Credentials.from_pem(pem, key.key_pem)
    found = explain_failure(caught.value)
    assert [each.cause.name for each in found.causes] == causes
    assert caught.value.code == causes[0]
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert [each.cause.name for each in explain_failure(again).causes] == causes
