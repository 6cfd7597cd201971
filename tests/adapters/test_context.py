"""An `ssl.SSLContext` by type whose connections are ours, and beneath which nothing weaker is to be reached."""

from __future__ import annotations

import _ssl
import copy
import logging
import os
import pickle
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import identities
from bothways import ConfigError, Credentials
from bothways.adapters.attributes import Attributes
from bothways.adapters.context import SSLContext
from bothways.trust import CRLStore, Fetch, Revocation
from ssl_pair import Pair, client_context, server_context

# What every object has, and what says nothing of a connection.
OF_OBJECTS = set(dir(object)) | {"__dict__", "__module__", "__weakref__"}


def own_classes() -> Iterator[type]:
    for each in SSLContext.__mro__:
        if each is ssl.SSLContext:
            return
        yield each


def test_whatever_ssl_contexts_have_is_overridden() -> None:
    """A setter or method that a newer Python adds is not inherited unseen: it fails here until it is looked at."""
    inherited = set(dir(ssl.SSLContext)) - OF_OBJECTS
    ours = {name for each in own_classes() for name in vars(each)}
    assert inherited - ours == set()


def test_whatever_attribute_can_be_set_refuses_what_it_does_not_know() -> None:
    """No property of ours hands a value on to OpenSSL."""
    for name, found in vars(Attributes).items():
        if isinstance(found, property) and found.fset is not None:
            for context in (client_context(), server_context()):
                before = getattr(context, name)
                with pytest.raises(ConfigError, match=name):
                    setattr(context, name, False if name == "check_hostname" else 1 << 27 | 5)
                assert getattr(context, name) == before


def test_a_context_is_one_of_ssl_by_type_and_verifies_both_sides() -> None:
    client, server = client_context(), server_context()
    assert isinstance(client, ssl.SSLContext)
    pair = Pair(client, server).shake_hands()
    assert (pair.client.done, pair.server.done) == (True, True)
    assert pair.client.tls.peer.names.dns == ("localhost",)
    assert pair.server.tls.peer.names.common_name == "Ada"
    assert pair.talk(b"both ways" * 10000) == b"both ways" * 10000


@pytest.mark.parametrize(
    "given", [(), (None,), (ssl.PROTOCOL_TLS_CLIENT,), ("config",), (identities.client_config,)]
)
def test_a_context_needs_a_configuration(given: tuple[Any, ...]) -> None:
    with pytest.raises((ConfigError, TypeError)):
        SSLContext(*given)


def test_a_context_without_configuration_does_nothing() -> None:
    """Whoever makes one past our constructor gets no connection of it."""
    bare = ssl.SSLContext.__new__(SSLContext, ssl.PROTOCOL_TLS_CLIENT)
    for call in (
        lambda: bare.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost"),
        lambda: bare.verify_mode,
        lambda: setattr(bare, "verify_mode", ssl.CERT_NONE),
    ):
        with pytest.raises(ConfigError):
            call()


# -- what lies beneath -------------------------------------------------------------------------------------


def openssl_server() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load(context, identities.server())
    return context


def load(context: ssl.SSLContext, issued: Any) -> None:
    path = Path(os.environ["PYTEST_SSL_DIR"]) / f"{id(issued)}.pem"
    path.write_bytes(issued.chain_pem + issued.key_pem)
    context.load_cert_chain(path)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTEST_SSL_DIR", str(tmp_path))
    return tmp_path


def weaken(context: ssl.SSLContext, lowest: ssl.TLSVersion, highest: ssl.TLSVersion) -> None:
    """Set every attribute past our class."""
    base: Any = _ssl._SSLContext
    base.maximum_version.__set__(context, int(highest))
    base.minimum_version.__set__(context, int(lowest))
    base.check_hostname.__set__(context, False)
    base.verify_mode.__set__(context, int(ssl.CERT_NONE))
    base.options.__set__(context, 0)


V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("weakened", [None, (V12, V12), (V12, V13), (V13, V13)], ids=str)
def test_openssl_beneath_can_complete_no_handshake(
    weakened: tuple[ssl.TLSVersion, ssl.TLSVersion] | None,
) -> None:
    """It requires certificates, checks names, has neither anchors nor credentials, and speaks no version.

    Whoever sets all of that from beneath finds no cipher suite and no group.
    """
    for context in (client_context(), server_context()):
        base: Any = _ssl._SSLContext
        assert base.verify_mode.__get__(context) == ssl.CERT_REQUIRED
        assert base.check_hostname.__get__(context)
        assert base.cert_store_stats(context)["x509"] == 0
        if weakened is not None:
            weaken(context, *weakened)
        ours = (ssl.MemoryBIO(), ssl.MemoryBIO())
        theirs = (ssl.MemoryBIO(), ssl.MemoryBIO())
        object_ = base._wrap_bio(context, *ours, server_side=False, server_hostname="localhost")
        peer = openssl_server().wrap_bio(*theirs, server_side=True)
        with pytest.raises(ssl.SSLError) as failed:
            for _ in range(10):
                for tls, out, into in ((object_, ours[1], theirs[0]), (peer, theirs[1], ours[0])):
                    try:
                        tls.do_handshake()
                    except ssl.SSLWantReadError:
                        pass
                    into.write(out.read())
        assert not isinstance(failed.value, ssl.SSLWantReadError)
        with pytest.raises(ssl.SSLError):
            base._wrap_bio(context, *ours, server_side=True)


def bios() -> tuple[ssl.MemoryBIO, ssl.MemoryBIO]:
    return ssl.MemoryBIO(), ssl.MemoryBIO()


_made: list[socket.socket] = []


@pytest.fixture(autouse=True)
def no_socket_left() -> Iterator[None]:
    yield
    while _made:
        _made.pop().close()


def a_socket() -> socket.socket:
    """A connected socket whose peer has gone."""
    one, two = socket.socketpair()
    two.close()
    _made.append(one)
    return one


PAST_US: dict[str, Callable[[SSLContext], Any]] = {
    "_wrap_bio": lambda c: c._wrap_bio(*bios(), server_hostname="localhost"),
    "_wrap_socket": lambda c: c._wrap_socket(a_socket(), False, "localhost"),
    "ssl's own SSLObject._create": lambda c: ssl.SSLObject._create(  # type: ignore[attr-defined]
        *bios(), server_hostname="localhost", context=c
    ),
    "ssl's own SSLSocket._create": lambda c: ssl.SSLSocket._create(  # type: ignore[attr-defined]
        a_socket(), server_hostname="localhost", context=c
    ),
    "our SSLObject of another context": lambda c: c.sslobject_class._create(
        *bios(), server_hostname="localhost", context=ssl.create_default_context()
    ),
    "our SSLSocket of another context": lambda c: c.sslsocket_class._create(
        a_socket(), server_hostname="localhost", context=ssl.create_default_context()
    ),
    "our SSLObject of none": lambda c: c.sslobject_class._create(*bios(), server_hostname="localhost"),
    "a subclass for objects": lambda c: setattr(c, "sslobject_class", ssl.SSLObject),
    "a subclass for sockets": lambda c: setattr(c, "sslsocket_class", ssl.SSLSocket),
    "a shallow copy": copy.copy,
    "a deep copy": copy.deepcopy,
    "a pickle": pickle.dumps,
    "CERT_NONE": lambda c: setattr(c, "verify_mode", ssl.CERT_NONE),
    "CERT_NONE by its number": lambda c: setattr(c, "verify_mode", 0),
    "CERT_OPTIONAL": lambda c: setattr(c, "verify_mode", ssl.CERT_OPTIONAL),
    "check_hostname = False": lambda c: setattr(c, "check_hostname", False),
    "check_hostname = 0": lambda c: setattr(c, "check_hostname", 0),
    "check_hostname = None": lambda c: setattr(c, "check_hostname", None),
    "load_cert_chain": lambda c: c.load_cert_chain("me.pem"),
    "a callback for names": lambda c: c.set_servername_callback(lambda *_: None),
    "set_alpn beneath": lambda c: c._set_alpn_protocols(b"\x02h2"),
    "a key log": lambda c: setattr(c, "keylog_filename", "/nowhere"),
    "ciphers": lambda c: c.set_ciphers("ALL:@SECLEVEL=0"),
    "a session": lambda c: c.wrap_bio(*bios(), server_hostname="localhost", session=object()),
}


@pytest.mark.parametrize("way", PAST_US)
@pytest.mark.parametrize("of", ["client", "loaded", "settled"])
def test_every_way_to_an_unverified_connection_is_refused(way: str, of: str, folder: Path) -> None:
    """Each is a ConfigError, which is a ValueError too; nothing is changed, and the context works on."""
    if of == "client":
        context = client_context()
    else:
        context = loaded_client(folder)
        if of == "settled":
            Pair(context, server_context()).shake_hands()
        elif way == "load_cert_chain":
            return
    with pytest.raises(ConfigError) as refused:
        PAST_US[way](context)
    assert isinstance(refused.value, ValueError)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    pair = Pair(context, server_context()).shake_hands()
    assert pair.client.tls.peer is not None


def test_a_context_of_another_class_is_no_context_of_ours() -> None:
    """What is left of one whose class was taken away is the inert context of OpenSSL."""
    context: Any = client_context()
    context.__class__ = ssl.SSLContext
    pair = Pair(context, openssl_server()).shake_hands()
    assert isinstance(pair.client.failure, ssl.SSLError)
    assert not pair.client.done


# -- whom a client wants to reach --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        b"",
        ".",
        "..",
        ".localhost",
        "localhost..",
        "a b",
        "loc\0alhost",
        b"\xff\xfe",
        b"loc\0",
        7,
        10**15,
        "x" * 300,
    ],
    ids=repr,
)
@pytest.mark.parametrize("by", ["wrap_bio", "wrap_socket"])
def test_a_client_needs_a_server_name(name: Any, by: str) -> None:
    """A name that is missing or cannot be one is refused, and never taken for no check at all."""
    context = client_context()
    with pytest.raises(ConfigError, match="server_hostname|server_name"):
        if by == "wrap_bio":
            context.wrap_bio(*bios(), server_hostname=name)
        else:
            with a_socket() as sock:
                context.wrap_socket(sock, server_hostname=name)


@pytest.mark.parametrize(
    "name", ["localhost", b"localhost", "localhost.", "LOCALHOST", "127.0.0.1", b"127.0.0.1", "::1"]
)
def test_names_are_taken_in_every_form_and_checked(name: str | bytes) -> None:
    """anyio gives them in bytes."""
    pair = Pair(client_context(), server_context(), name).shake_hands()
    assert pair.client.done, pair.client.failure


@pytest.mark.parametrize(
    "name", ["other.example", b"other.example", "127.0.0.2", "localhost.example", "ocalhost"]
)
def test_a_server_of_another_name_is_refused(name: str | bytes) -> None:
    pair = Pair(client_context(), server_context(), name).shake_hands()
    assert isinstance(pair.client.failure, ssl.SSLCertVerificationError)
    assert pair.client.failure.verify_code in (62, 64)


def test_each_context_is_for_its_own_side() -> None:
    with pytest.raises(ConfigError, match="this context is for clients"):
        client_context().wrap_bio(*bios(), server_side=True)
    with pytest.raises(ConfigError, match="this context is for servers"):
        server_context().wrap_bio(*bios(), server_hostname="localhost")
    with a_socket() as sock, pytest.raises(ConfigError):
        server_context().wrap_socket(sock)
    with a_socket() as sock, pytest.raises(ConfigError, match="only be specified in client mode"):
        server_context().wrap_socket(sock, server_side=True, server_hostname="localhost")
    with pytest.raises(ConfigError, match="only be specified in client mode"):
        server_context().wrap_bio(*bios(), server_side=True, server_hostname="localhost")


# -- loading -----------------------------------------------------------------------------------------------


def loaded_client(folder: Path, **options: Any) -> SSLContext:
    context = SSLContext.for_client(**options)
    write(folder)
    context.load_verify_locations(folder / "ca.pem")
    context.load_cert_chain(folder / "client.pem", folder / "client.key")
    return context


def write(folder: Path) -> None:
    (folder / "ca.pem").write_bytes(identities.root().pem)
    for name, issued in (("client", identities.client()), ("server", identities.server())):
        (folder / f"{name}.pem").write_bytes(issued.chain_pem)
        (folder / f"{name}.key").write_bytes(issued.key_pem)


def test_contexts_are_filled_as_those_of_ssl_until_the_first_handshake(folder: Path) -> None:
    client = loaded_client(folder)
    server = SSLContext.for_server()
    server.load_cert_chain(folder / "server.pem", str(folder / "server.key"))
    server.load_verify_locations(cadata=identities.root().pem.decode())
    for context in (client, server):
        context.set_alpn_protocols(["h2", "http/1.1"])
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.cert_store_stats()["x509_ca"] == 1
        assert context.get_ca_certs(binary_form=True) == [identities.root().der]
        assert context.get_ca_certs()[0]["subject"] == ((("commonName", "Test Root"),),)
    pair = Pair(client, server).shake_hands()
    assert pair.client.tls.selected_alpn_protocol() == "h2"
    assert pair.server.tls.peer.names.common_name == "Ada"
    for context in (client, server):
        with pytest.raises(ConfigError, match="load_cert_chain"):
            context.load_cert_chain(folder / "client.pem", folder / "client.key")
        with pytest.raises(ConfigError, match="has made handshakes"):
            context.set_alpn_protocols(["h2"])
        context.set_alpn_protocols(["h2", "http/1.1"])  # as libraries say again for each connection
    client.load_verify_locations(cadata=identities.root("Another Root").der)
    with pytest.raises(ConfigError, match="has made handshakes"):
        server.load_verify_locations(cadata=identities.root("Another Root").der)
    for context in (client, server):
        assert context.cert_store_stats()["x509"] == 1


@pytest.mark.parametrize("form", ["PEM text", "DER", "DER of two", "file", "directory"])
def test_anchors_are_loaded_from_whatever_ssl_takes(form: str, folder: Path) -> None:
    context = SSLContext.for_client()
    write(folder)
    hashed = folder / "hashed"
    hashed.mkdir()
    (hashed / "0a1b2c3d.0").write_bytes(identities.root().pem)
    (hashed / "README").write_text("no certificate")
    other = identities.root("Another Root").der
    arguments: dict[str, Any] = {
        "PEM text": {"cadata": identities.root().pem.decode()},
        "DER": {"cadata": identities.root().der},
        "DER of two": {"cadata": bytearray(identities.root().der + other)},
        "file": {"cafile": os.fsencode(folder / "ca.pem")},
        "directory": {"capath": hashed},
    }[form]
    context.load_verify_locations(**arguments)
    assert context.cert_store_stats()["x509"] == (2 if "two" in form else 1)
    assert Pair(context, server_context(client_auth="request")).shake_hands().client.done


def test_files_that_cannot_be_loaded_are_reported(folder: Path) -> None:
    context = SSLContext.for_client()
    (folder / "garbage").write_bytes(b"garbage")
    for call in (
        lambda: context.load_verify_locations(folder / "missing"),
        lambda: context.load_verify_locations(folder / "garbage"),
        lambda: context.load_verify_locations(cadata=b"\x30\x82garbage"),
        lambda: context.load_verify_locations(cadata="garbage"),
        lambda: context.load_cert_chain(folder / "missing"),
    ):
        with pytest.raises(ConfigError):
            call()
    with pytest.raises(TypeError, match="cannot be all omitted"):
        context.load_verify_locations()
    with pytest.raises(TypeError, match="int"):
        context.load_verify_locations(cadata=5)
    with pytest.raises(ConfigError, match="no field of ClientConfig"):
        SSLContext.for_client(verify=False)
    with pytest.raises(ConfigError, match="no field of ServerConfig"):
        SSLContext.for_server(settings=None)


def test_without_anchors_or_credentials_there_is_no_connection() -> None:
    """None is ever taken for whom the system trusts, or for nobody to be checked."""
    with pytest.raises(ConfigError, match="anchors"):
        SSLContext.for_client().wrap_bio(*bios(), server_hostname="localhost")
    with pytest.raises(ConfigError, match="credentials"):
        SSLContext.for_server().wrap_bio(*bios(), server_side=True)


def test_a_password_may_be_a_function(folder: Path) -> None:
    key = folder / "secret.key"
    key.write_bytes(identities.client().encrypted_key_pem(b"secret"))
    write(folder)
    context = SSLContext.for_client()
    context.load_cert_chain(folder / "client.pem", key, lambda: "secret")
    with pytest.raises(ConfigError, match="password"):
        context.load_cert_chain(folder / "client.pem", key, "wrong")


def test_a_server_that_is_to_require_certificates_does(folder: Path) -> None:
    """Anchors are missing then, and the first handshake says so."""
    write(folder)
    server = SSLContext.for_server()
    assert server.verify_mode is ssl.CERT_NONE
    server.load_cert_chain(folder / "server.pem", folder / "server.key")
    server.verify_mode = ssl.CERT_REQUIRED
    with pytest.raises(ConfigError, match="client_anchors"):
        server.wrap_bio(*bios(), server_side=True)


def test_anchors_that_come_too_late_for_a_server_are_refused(folder: Path) -> None:
    """Else it would go on with clients that nobody knows; of a client's context what was loaded is the limit."""
    write(folder)
    server = SSLContext.for_server()
    server.load_cert_chain(folder / "server.pem", folder / "server.key")
    server.wrap_bio(*bios(), server_side=True)
    for late in (lambda: server.load_verify_locations(folder / "ca.pem"), server.load_default_certs):
        with pytest.raises(ConfigError, match="create another"):
            late()
    client = SSLContext.for_client()
    client.load_verify_locations(folder / "ca.pem")
    client.wrap_bio(*bios(), server_hostname="localhost")
    client.load_verify_locations(folder / "ca.pem")


def test_the_systems_anchors_are_loaded_when_that_is_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder)
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    for load_them in (lambda c: c.load_default_certs(), lambda c: c.set_default_verify_paths()):
        context = SSLContext.for_client()
        load_them(context)
        assert context.get_ca_certs(binary_form=True) == [identities.root().der]


def test_loading_anchors_into_a_configured_context_adds_nothing_and_says_so_once(
    caplog: pytest.LogCaptureFixture, folder: Path
) -> None:
    """requests loads certifi's file into every context: it is not even read."""
    caplog.set_level(logging.INFO, "bothways")
    context = client_context()
    context.load_verify_locations("/no/such/file")
    context.load_default_certs()
    context.set_default_verify_paths()
    context.load_verify_locations(cadata=identities.root("Another Root").der)
    said = [record.getMessage() for record in caplog.records if "added nothing" in record.getMessage()]
    assert len(said) == 1
    assert caplog.records[0].levelno == logging.INFO
    assert context.get_ca_certs(binary_form=True) == [identities.root().der]
    stranger = server_context(credentials=Credentials.from_pem(*another_server()))
    assert isinstance(Pair(context, stranger).shake_hands().client.failure, ssl.SSLCertVerificationError)


def another_server() -> tuple[bytes, bytes]:
    import pki

    issued = pki.leaf(
        identities.root("Another Root"), "server", alternatives=["DNS:localhost"], **identities.SPAN
    )
    return issued.chain_pem, issued.key_pem


# -- protocols ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "said", "offered"),
    [
        ((), ["h2"], ("h2",)),
        ((), [b"http/1.1"], ("http/1.1",)),
        (("h2", "http/1.1"), ["http/1.1"], ("http/1.1",)),
        (("h2",), ["http/1.1", "h2"], ("h2",)),
        (("h2",), [], ("h2",)),
        ((), [], ()),
    ],
)
def test_a_library_says_which_protocols_it_speaks(ours: Any, said: Any, offered: Any) -> None:
    """httpcore and urllib3 say so of every context, for each connection; the configuration's own stay the limit."""
    context = client_context(alpn=ours)
    context.set_alpn_protocols(said)
    assert context.config.alpn == offered
    context.set_alpn_protocols(ours or ["other"])
    assert context.config.alpn == (ours or ("other",))


def test_a_library_of_other_protocols_is_refused() -> None:
    with pytest.raises(ConfigError, match="the configuration has h2"):
        client_context(alpn=("h2",)).set_alpn_protocols(["http/1.1"])


# -- evidence ----------------------------------------------------------------------------------------------


def test_evidence_is_not_fetched_between_memory_bios() -> None:
    """It would hold an event loop; who wants it is told where it is had."""
    context = client_context(revocation=Revocation(fetch=Fetch()))
    with pytest.raises(ConfigError, match=r"bothways\.aio.*wrap_socket"):
        context.wrap_bio(*bios(), server_hostname="localhost")


def test_lists_at_hand_refuse_a_revoked_client_in_the_handshake() -> None:
    revocation = Revocation(crls=CRLStore(identities.crls(identities.client())))
    pair = Pair(client_context(), server_context(revocation=revocation)).shake_hands()
    assert isinstance(pair.server.failure, ssl.SSLCertVerificationError)
    assert pair.server.failure.verify_code == 23
    late = pair.late_refusal()
    assert isinstance(late, ssl.SSLError)
    assert late.reason == "SSLV3_ALERT_CERTIFICATE_REVOKED"


def test_threads_that_begin_at_once_settle_a_context_once(folder: Path) -> None:
    context = loaded_client(folder)
    found = []
    threads = [threading.Thread(target=lambda: found.append(context.config)) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(set(map(id, found))) == 1


def test_the_attributes_of_a_context_match_its_configuration() -> None:
    context = client_context(versions=("1.3",), groups=("x25519",))
    assert {each["protocol"] for each in context.get_ciphers()} == {"TLSv1.3"}
    assert context.get_groups() == ["x25519"]
    assert set(context.session_stats().values()) == {0}
    assert server_context(client_anchors=None).get_ca_certs() == []
