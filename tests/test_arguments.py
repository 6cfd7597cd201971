"""What callers pass is of the kind that is expected, or they are told which argument is not."""

from __future__ import annotations

import asyncio
import inspect
import os
import ssl
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

import bothways
import pki
from bothways import (
    CelRule,
    ClientConfig,
    ConfigError,
    Credentials,
    ExternalPSK,
    ExternalPSKs,
    PeerRule,
    PinnedKeys,
    RawKeyCredentials,
    ServerConfig,
    SessionStore,
    SharedTicketKeys,
    TicketKeys,
    TLSError,
    TrustStore,
    aio,
    arguments,
    net,
    trust,
)
from bothways.addresses import checked_port, tcp_address
from bothways.aio.limits import checked_limits
from bothways.ca.authority import Authority
from bothways.ca.profiles import Holder, Profile
from bothways.signers import SigningPool, token_credentials
from bothways.spiffe.workload_api import WorkloadAPI
from bothways.tls.ech.configs import ECHConfigList
from bothways.tls.ech.keys import ECHKey, ECHKeys
from bothways.trust import CRLStore, Fetch, Limits, OCSPStore, Policies, Purpose, Revocation, verify
from bothways.trust.crl_files import CRLFiles
from bothways.trust.evidence.stapling import Stapling

ROOT = pki.root()
LEAF = pki.leaf(ROOT, "localhost")
PARSED = x509.load_der_x509_certificate(LEAF.der)
OWN, ANCHORS = Credentials.from_pem(LEAF.chain_pem, LEAF.key_pem), TrustStore.from_pem(ROOT.pem)
CLIENT, SERVER = ClientConfig(anchors=ANCHORS), ServerConfig(credentials=OWN)
PSK = ExternalPSK(identity="one", secret=bytes(range(32)), peer="one.example", own="two.example")
AUTHORITY = Authority.create("Example")
AT = datetime(2026, 1, 1, tzinfo=UTC)

# Every constructor and class method of the public face, with arguments that are right.
CALLS: dict[str, tuple[Callable[..., object], dict[str, Any]]] = {
    "CelRule": (CelRule, {"expression": "true"}),
    "ClientConfig": (ClientConfig, {"anchors": ANCHORS}),
    "ClientConfig.connection": (CLIENT.connection, {"server_name": "localhost"}),
    "Credentials.external": (Credentials.external, {"cert": LEAF.chain_pem}),
    "Credentials.from_contents": (
        Credentials.from_contents,
        {"cert": LEAF.chain_pem, "cert_path": "a", "key": LEAF.key_pem, "key_path": "b"},
    ),
    "Credentials.from_files": (Credentials.from_files, {"cert": "a.pem"}),
    "Credentials.from_parts": (Credentials.from_parts, {"chain": [PARSED], "private_key": LEAF.key}),
    "Credentials.from_pem": (Credentials.from_pem, {"cert": LEAF.chain_pem, "key": LEAF.key_pem}),
    "Credentials.from_pkcs12": (Credentials.from_pkcs12, {"data": b"x", "password": None}),
    "Credentials.watched": (Credentials.watched, {"cert": "a.pem"}),
    "ECHConfigList.from_text": (ECHConfigList.from_text, {"text": ""}),
    "ECHConfigList.load": (ECHConfigList.load, {"path": "a"}),
    "ECHKey.from_pem": (ECHKey.from_pem, {"data": b"x"}),
    "ECHKey.load": (ECHKey.load, {"path": "a"}),
    "ECHKey.generate": (ECHKey.generate, {"public_name": "public.example"}),
    "ECHKeys": (ECHKeys, {"keys": ()}),
    "ExternalPSK": (ExternalPSK, {"identity": "one", "secret": bytes(range(32)), "peer": "a", "own": "b"}),
    "ExternalPSKs": (ExternalPSKs, {"keys": [PSK]}),
    "ExternalPSKs.from_file": (ExternalPSKs.from_file, {"path": "a"}),
    "ExternalPSKs.watched": (ExternalPSKs.watched, {"path": "a"}),
    "PeerRule": (PeerRule, {"dns": "a.example"}),
    "PinnedKeys.from_digests": (PinnedKeys.from_digests, {"digests": ["00" * 32]}),
    "PinnedKeys.from_file": (PinnedKeys.from_file, {"path": "a"}),
    "PinnedKeys.from_keys": (PinnedKeys.from_keys, {"keys": [b"x"]}),
    "PinnedKeys.watched": (PinnedKeys.watched, {"path": "a"}),
    "RawKeyCredentials.from_file": (RawKeyCredentials.from_file, {"path": "a"}),
    "RawKeyCredentials.from_pem": (RawKeyCredentials.from_pem, {"data": b"x"}),
    "ServerConfig": (ServerConfig, {"credentials": OWN}),
    "ServerConfig.connection": (SERVER.connection, {}),
    "SessionStore": (SessionStore, {}),
    "TicketKeys": (TicketKeys, {}),
    "TrustStore": (TrustStore, {"certificates": [ROOT.der]}),
    "TrustStore.from_certificates": (TrustStore.from_certificates, {"certificates": [PARSED]}),
    "TrustStore.from_file": (TrustStore.from_file, {"path": "a"}),
    "TrustStore.from_pem": (TrustStore.from_pem, {"data": ROOT.pem}),
    "TrustStore.system": (TrustStore.system, {}),
    "TrustStore.watched": (TrustStore.watched, {"path": "a"}),
    "trust.CRLStore": (CRLStore, {}),
    "trust.CRLStore.from_pem": (CRLStore.from_pem, {"data": b"x"}),
    "trust.Fetch": (Fetch, {}),
    "trust.Limits": (Limits, {}),
    "trust.OCSPStore": (OCSPStore, {}),
    "trust.Policies": (Policies, {}),
    "trust.Revocation": (Revocation, {}),
    "trust.crl_files.CRLFiles": (CRLFiles, {"paths": ["a"]}),
    "trust.verify": (
        verify,
        {"chain": [LEAF.der], "anchors": ANCHORS, "purpose": Purpose.SERVER, "name": "localhost", "at": AT},
    ),
}
CALLS |= {
    "ca.Authority.create": (Authority.create, {"name": "Example"}),
    "ca.Authority.issue": (AUTHORITY.issue, {"profile": Profile.SERVER, "dns": ("a.example",)}),
    "signers.SigningPool": (SigningPool, {"sign": lambda *_: b""}),
    "signers.token_credentials": (
        token_credentials,
        {"cert": LEAF.chain_pem, "uri": "pkcs11:token=a;object=b"},
    ),
    "spiffe.WorkloadAPI": (WorkloadAPI, {"address": "unix:/nowhere"}),
    "SharedTicketKeys.in_file": (SharedTicketKeys.in_file, {"path": "/nowhere/a"}),
    "SharedTicketKeys.in_redis": (
        SharedTicketKeys.in_redis,
        {"url": "redis://a", "secret": bytes(range(32))},
    ),
    "Stapling": (Stapling, {"credentials": OWN, "random": os.urandom}),
}
WRONG = (5, -1, 1.5, True, None, "", "x", b"x", [5], [None], ["x", 5], (b"x",), {"a": 1}, object(), ..., AT)


def cases() -> Iterator[Any]:
    for name, (call, right) in CALLS.items():
        for each in inspect.signature(call).parameters.values():
            if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY):
                yield pytest.param(call, right, each.name, id=f"{name}-{each.name}")


@pytest.mark.parametrize(("call", "right", "argument"), list(cases()))
def test_an_argument_of_another_kind_is_refused_by_an_error_of_ours_or_taken(
    call: Callable[..., object],
    right: dict[str, Any],
    argument: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No TypeError or AttributeError out of the depths, which would not say what is wrong.

    A path that is taken may be written: ticket keys are made in their file.
    """
    monkeypatch.chdir(tmp_path)
    for wrong in WRONG:
        with suppress(TLSError):
            call(**right | {argument: wrong})


PUBLIC = {
    *(f"{name}" for name in bothways.__all__),
    *(f"trust.{name}" for name in trust.__all__ if name not in bothways.__all__),
}
# What has no arguments of callers, or is made by the engine alone.
MADE_BY_US = {
    "Alert", "AuthenticationUnavailable", "Caution", "ChecksWanted", "ClientAuthenticated", "ClientDeclined",
    "ConfigError", "Connection", "Data", "Established", "Event", "EvidenceWanted", "Failed", "Fault",
    "InternalError", "Peer", "PeerAlert", "PeerClosed", "PeerFault", "SignatureWanted", "TLSError", "Truncated",
    "UsageError", "Warned", "trust.Finding", "trust.Names", "trust.Outcome", "trust.Purpose", "trust.Refused",
    "trust.Trusted", "trust.Verdict",
}  # fmt: skip
ELSEWHERE = {
    "Refusal": "a text for a log, which its dataclass takes as it is",
    "explain_failure": "diagnosis/test_failure.py: takes anything",
    "failure_of": "diagnosis/test_failure.py: takes anything",
    "trust.certificates_in": "trust/certificate: bytes of a file",
}


def test_every_public_constructor_is_called() -> None:
    called = {name.removeprefix("trust.").partition(".")[0] for name in CALLS}
    open_ = {
        name for name in PUBLIC - MADE_BY_US - ELSEWHERE.keys() if name.removeprefix("trust.") not in called
    }
    assert not open_
    classes = {name.partition(".")[0]: call for name, (call, _) in CALLS.items() if inspect.isclass(call)}
    methods = {
        f"{name}.{each}"
        for name, kind in classes.items()
        for each in vars(kind)
        if not each.startswith("_") and isinstance(vars(kind)[each], classmethod)
    }
    assert methods - {"ECHKeys.load"} <= CALLS.keys()  # which takes paths by position


FLAGS = [
    (config, right, name)
    for config, right in ((ClientConfig, {"anchors": ANCHORS}), (ServerConfig, {"credentials": OWN}))
    for name, each in inspect.signature(config).parameters.items()
    if isinstance(each.default, bool)
]


@pytest.mark.parametrize(("config", "right", "flag"), FLAGS)
def test_a_text_switches_nothing_on(config: Any, right: dict[str, Any], flag: str) -> None:
    """Any text is true, "no" as well: by it `insecure_rsa_key_transport` was allowed."""
    for wrong in ("no", "", 1, 0, None):
        with pytest.raises(ConfigError, match=f"^{flag}: expected True or False, not "):
            config(**right, **{flag: wrong})


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: CLIENT.connection(5), "server_name: expected a name as text, not int"),  # type: ignore[arg-type]
        (lambda: CLIENT.connection("x", observer=5), "observer: expected a function, not int"),  # type: ignore[arg-type]
        (lambda: SERVER.connection(select=5), "select: expected a function, not int"),  # type: ignore[arg-type]
        (lambda: ClientConfig(anchors=ANCHORS, credentials=""), "credentials: expected Credentials, not str"),  # type: ignore[arg-type]
        (
            lambda: ClientConfig(anchors=ANCHORS, clock=5),
            "clock: expected something with the method now, not int",
        ),  # type: ignore[arg-type]
        (lambda: Credentials.watched(5), "a file: expected its path as text, not int"),  # type: ignore[arg-type]
        (
            lambda: TrustStore.from_certificates([b"x"]),
            "anchors: expected certificates that `cryptography` has",
        ),  # type: ignore[list-item]
    ],
)
def test_the_error_names_the_argument_and_what_was_expected(call: Callable[[], object], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        call()
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("call", "good", "bad", "problem"),
    [
        (arguments.text, "x", b"x", "what: expected a text, not bytes"),
        (arguments.whole, 3, True, "what: expected a whole number, not bool"),
        (arguments.whole, 0, 1.0, "what: expected a whole number, not float"),
        (arguments.number, 1.5, "1.5", "what: expected a number, not str"),
        (arguments.number, 1, None, "what: expected a number, not None"),
        (arguments.duration, timedelta(1), 60, "what: expected a timedelta, not int"),
        (arguments.function, len, "len", "what: expected a function, not str"),
    ],
)
def test_each_kind_is_returned_as_it_is_or_refused(
    call: Callable[[str, object], object], good: object, bad: object, problem: str
) -> None:
    assert call("what", good) is good
    with pytest.raises(ConfigError) as caught:
        call("what", bad)
    assert str(caught.value) == problem


class Counted:
    """An integer of another library, as numpy has them: no int, and without its arithmetic."""

    def __init__(self, value: int) -> None:
        self._value = value

    def __index__(self) -> int:
        return self._value


class Broken:
    def __index__(self) -> int:
        raise TypeError("no index")


def test_an_integer_of_another_library_is_taken_as_an_int() -> None:
    """Of numpy's none is an int, and those of few bits begin at 0 again when they are added to."""
    for read in (arguments.whole, arguments.number):
        assert type(read("what", Counted(5))) is int
        for wrong in (True, Broken(), "5", 5j):
            with pytest.raises(ConfigError, match="^what: expected a (whole )?number, not "):
                read("what", wrong)
    assert tcp_address("h", Counted(443)) == ("h", 443)
    for wrong in (True, Counted(0), Counted(65536), "443", 443.0):
        with pytest.raises(ConfigError, match="^port: expected a number of 1 to 65535"):
            tcp_address("h", wrong)
    with pytest.raises(ConfigError, match="^port: "):
        checked_port(False)


def test_what_is_kept_of_an_integer_is_an_int() -> None:
    fetch = Fetch(
        ports=iter([Counted(80)]), redirects=Counted(2), requests=Counted(7), allow=iter(["a.example"])
    )  # type: ignore[arg-type]
    assert (fetch.ports, fetch.redirects, fetch.requests, fetch.hosts) == ((80,), 2, 7, {"a.example"})
    config = ClientConfig(
        anchors=ANCHORS,
        handshake_timeout=Counted(9),  # type: ignore[arg-type]
        record_padding=Counted(64),  # type: ignore[arg-type]
        max_certificate_bytes=Counted(2048),  # type: ignore[arg-type]
        record_size_limit=Counted(100),  # type: ignore[arg-type]
    )
    kept = config.settings.limits
    numbers = (
        kept.handshake_timeout,
        kept.record_padding,
        kept.max_certificate_bytes,
        kept.record_size_limit,
    )
    assert numbers == (9, 64, 2048, 100)
    limits = checked_limits(limit=Counted(5), idle_timeout=Counted(6), handshakes=Counted(7))
    assert limits == (5, 6, 7)
    assert {type(each) for each in (*numbers, *limits, *fetch.ports, fetch.redirects)} == {int}
    SessionStore(servers=Counted(3))  # type: ignore[arg-type]
    SigningPool(lambda *_: b"", at_once=Counted(1), waiting=Counted(2))  # type: ignore[arg-type]
    TrustStore([ROOT.der], remember_paths=Counted(4))  # type: ignore[arg-type]
    ECHKey.generate("public.example", maximum_name_length=Counted(30))  # type: ignore[arg-type]


def test_a_single_text_is_not_as_many_names_as_it_has_letters() -> None:
    """A certificate for "localhost" would have been one for l, o, c, a, l ..."""
    for call in (
        lambda: AUTHORITY.issue(Profile.SERVER, dns="localhost"),
        lambda: AUTHORITY.sign(Profile.SERVER, Holder(None, "localhost"), LEAF.key.public_key()),  # type: ignore[arg-type]
    ):
        with pytest.raises(ConfigError, match="^dns: expected several names, not a single str$"):
            call()


def run(made: Coroutine[Any, Any, object]) -> object:
    return asyncio.run(made)


async def nobody(*_: object) -> None:
    """A handler that is never called."""


OTHER = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CONNECTING: list[tuple[str, Callable[[], object]]] = [
    ("config: expected ClientConfig, not ServerConfig", lambda: net.connect("127.0.0.1", 1, SERVER)),  # type: ignore[arg-type]
    ("config: expected ClientConfig or ServerConfig, not SSLContext", lambda: net.wrap(object(), OTHER)),  # type: ignore[arg-type]
    ("host: expected a name or an IP address, not int", lambda: net.connect(1, 1, CLIENT, "localhost")),  # type: ignore[arg-type]
    ("starttls: expected a text, not int", lambda: net.connect("127.0.0.1", 1, CLIENT, starttls=5)),  # type: ignore[arg-type]
    ("config: expected ClientConfig, not None", lambda: run(aio.connect("127.0.0.1", 1, None))),  # type: ignore[arg-type]
    (
        "config: expected ClientConfig, not SSLContext",
        lambda: run(aio.create_connection(asyncio.Protocol, "127.0.0.1", 1, OTHER)),  # type: ignore[arg-type]
    ),
    (
        "config: expected ServerConfig, not ClientConfig",
        lambda: run(aio.start_server(nobody, "127.0.0.1", 0, CLIENT)),  # type: ignore[arg-type]
    ),
    (
        "config: expected ServerConfig, not SSLContext",
        lambda: run(aio.create_server(asyncio.Protocol, "127.0.0.1", 0, OTHER)),  # type: ignore[arg-type]
    ),
]


@pytest.mark.parametrize(("problem", "call"), CONNECTING, ids=[problem for problem, _ in CONNECTING])
def test_another_configuration_is_refused_before_anything_is_connected(
    problem: str, call: Callable[[], object]
) -> None:
    with pytest.raises(ConfigError) as caught:
        call()
    assert str(caught.value) == problem


def test_several_are_a_tuple_and_no_single_text() -> None:
    assert arguments.several("what", (each for each in "ab"), "letters", str) == ("a", "b")
    for wrong, problem in (
        ("ab", "what: expected several letters, not a single str"),
        (5, "what: expected several letters, not int"),
        (["a", 5], "what: expected letters, not int"),
    ):
        with pytest.raises(ConfigError) as caught:
            arguments.several("what", wrong, "letters", str)  # type: ignore[arg-type]
        assert str(caught.value) == problem
