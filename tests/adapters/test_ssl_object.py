"""Objects over memory BIOs: what asyncio, uvloop, trio and anyio need of them, in order."""

from __future__ import annotations

import asyncio
import copy
import gc
import logging
import pickle
import ssl
from datetime import timedelta
from typing import Any

import pytest

import identities
import pki
from bothways import (
    Connection,
    Credentials,
    PeerAlert,
    PeerFault,
    SignatureWanted,
    Truncated,
    TrustStore,
    UsageError,
    explain_failure,
    failure_of,
)
from bothways.ssl import SSLContext
from bothways.tls.crypto.signing import sign
from bothways.trust import CRLStore, Revocation
from ssl_pair import AGAIN, Pair, client_context, server_context


def another_anchor() -> TrustStore:
    return TrustStore.from_pem(identities.root("Another Root").pem)


def test_an_object_is_one_of_ssl_and_only_a_context_creates_it() -> None:
    pair = Pair(client_context(), server_context())
    assert isinstance(pair.client.tls, ssl.SSLObject)
    with pytest.raises(TypeError, match="does not have a public constructor"):
        type(pair.client.tls)()


# -- the handshake -----------------------------------------------------------------------------------------


def test_openssl_interoperates_on_either_side() -> None:
    """The standard library's own context against ours."""
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    theirs.load_verify_locations(cadata=identities.root().pem.decode())
    pair = Pair(theirs, server_context(client_auth="request")).shake_hands()
    assert pair.talk() == b"hello"
    assert pair.server.tls.getpeercert() is None
    assert pair.client.tls.cipher() == pair.server.tls.cipher()
    assert pair.client.tls.version() == pair.server.tls.version() == "TLSv1.3"


REFUSALS: dict[str, tuple[dict[str, Any], dict[str, Any], str, type[Exception], int | None]] = {
    "the server is of another CA": (
        {"anchors": another_anchor()},
        {},
        "client",
        ssl.SSLCertVerificationError,
        20,
    ),
    "the client is of another CA": (
        {},
        {"client_anchors": another_anchor()},
        "server",
        ssl.SSLCertVerificationError,
        20,
    ),
    "no version in common": ({"versions": ("1.2",)}, {"versions": ("1.3",)}, "server", ssl.SSLError, None),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_a_refusal_is_what_callers_of_ssl_catch_and_explains_itself(what: str) -> None:
    """Our error is the cause, our explanation the text; the other side learns it by an alert."""
    client, server, who, kind, code = REFUSALS[what]
    pair = Pair(client_context(**client), server_context(**server)).shake_hands()
    error = getattr(pair, who).failure
    assert type(error) is kind
    assert isinstance(error.__cause__, PeerFault)
    assert failure_of(error) is error.__cause__
    assert str(explain_failure(error)) == str(error)
    assert "ause" in str(error)
    assert getattr(error, "verify_code", None) == code
    other = pair.client if who == "server" else pair.server
    met = other.failure or pair.late_refusal()
    assert isinstance(met, ssl.SSLError)
    assert isinstance(met.__cause__, PeerAlert)


def test_a_client_without_a_certificate_learns_of_the_refusal_after_its_handshake() -> None:
    """In TLS 1.3 it has finished by then (RFC 9846 4.5.3)."""
    pair = Pair(client_context(who=False), server_context()).shake_hands()
    assert pair.client.done
    assert isinstance(pair.server.failure, ssl.SSLError)
    late = pair.late_refusal()
    assert isinstance(late, ssl.SSLError)
    assert late.reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert late.library == "SSL"
    assert "we sent no certificate" in str(late)
    with pytest.raises(ssl.SSLError):
        pair.client.tls.write(b"more")


def test_a_server_that_refuses_asks_for_more_once_so_that_its_alert_goes_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """asyncio writes what an object has to say only then (cpython#98078); and tells nobody, so the log does."""
    caplog.set_level(logging.INFO, "bothways")
    pair = Pair(client_context(who=False), server_context())
    while not pair.client.done:
        pair.client.step()
        pair.carry()
        if not pair.client.done:
            pair.server.step()
            pair.carry()
    pair.carry()
    pair.server.outgoing.read()
    with pytest.raises(ssl.SSLWantReadError):
        pair.server.tls.do_handshake()
    assert pair.server.outgoing.pending > 0
    for _ in range(2):
        with pytest.raises(ssl.SSLError) as failed:
            pair.server.tls.do_handshake()
        assert not isinstance(failed.value, AGAIN)
    refusals = [each for each in caplog.records if "refused" in each.getMessage()]
    assert len(refusals) == 1


def test_a_client_that_refuses_says_so_at_once() -> None:
    """Its caller would wait for a server that has nothing to say."""
    pair = Pair(client_context(anchors=another_anchor()), server_context())
    pair.client.step()
    pair.carry()
    pair.server.step()
    pair.carry()
    with pytest.raises(ssl.SSLCertVerificationError):
        pair.client.tls.do_handshake()
    assert pair.client.outgoing.pending > 0


def test_bytes_that_are_not_tls_are_refused() -> None:
    pair = Pair(client_context(), server_context())
    pair.server.incoming.write(b"GET / HTTP/1.1\r\n\r\n")
    for _ in range(2):
        pair.server.step()
    assert isinstance(pair.server.failure, ssl.SSLError)
    assert "does not speak TLS" in str(pair.server.failure)


def test_an_end_in_the_handshake_differs_from_a_refusal() -> None:
    pair = Pair(client_context(), server_context())
    pair.client.step()
    pair.client.incoming.write_eof()
    with pytest.raises(ssl.SSLEOFError) as cut:
        pair.client.tls.do_handshake()
    assert isinstance(cut.value.__cause__, Truncated)


def test_a_handshake_that_takes_too_long_has_failed() -> None:
    class Clock:
        def __init__(self) -> None:
            self.time = 0.0

        def now(self):
            return identities.START + timedelta(days=1)

        def monotonic(self) -> float:
            return self.time

    clock = Clock()
    pair = Pair(client_context(clock=clock, handshake_timeout=5), server_context())
    pair.client.step()
    clock.time = 6
    pair.client.step()
    assert isinstance(pair.client.failure, ssl.SSLError)
    assert "within 5 seconds" in str(pair.client.failure)


def test_keys_held_elsewhere_sign_the_handshake() -> None:
    """The signer is asked in the call that needs it."""
    asked: list[SignatureWanted] = []

    def signer_of(issued: pki.Issued):
        def signer(wanted: SignatureWanted) -> bytes:
            asked.append(wanted)
            return sign(wanted.scheme, issued.key, wanted.data)

        return signer

    client = SSLContext(
        identities.client_config(credentials=Credentials.external(identities.client().chain_pem)),
        signer=signer_of(identities.client()),
    )
    server = SSLContext(
        identities.server_config(credentials=Credentials.external(identities.server().chain_pem)),
        signer=signer_of(identities.server()),
    )
    pair = Pair(client, server).shake_hands()
    assert pair.talk() == b"hello"
    assert len(asked) == 2
    assert pair.server.tls.peer.names.common_name == "Ada"


@pytest.mark.interop
def test_a_key_on_a_token_signs_the_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    """By PKCS#11: the key never leaves it."""
    from bothways.ca.keys import KeyType
    from bothways.ca.token_key import find_or_generate_key
    from bothways.tokens.key_uri import KeyURI
    from tokens.soft_tokens import PIN, new_token

    key = find_or_generate_key(KeyURI.parse(new_token(monkeypatch).uri("tls")), PIN, KeyType.P256)
    try:
        issued = pki.leaf(
            identities.middle(),
            "Token",
            alternatives=(),
            usage=("clientAuth",),
            own_key=key,
            **identities.SPAN,
        )
        config = identities.client_config(credentials=Credentials.external(issued.chain_pem))
        client = SSLContext(config, signer=lambda wanted: key.sign(wanted.data))
        pair = Pair(client, server_context()).shake_hands()
        assert pair.talk() == b"hello"
        assert pair.server.tls.peer.names.common_name == "Token"
    finally:
        key.close()


def test_a_signer_that_fails_gives_the_handshake_up() -> None:
    def broken(wanted: SignatureWanted) -> bytes:
        raise RuntimeError("no token")

    for signer in (broken, None, lambda wanted: b"no signature"):
        client = SSLContext(
            identities.client_config(credentials=Credentials.external(identities.client().chain_pem)),
            signer=signer,
        )
        pair = Pair(client, server_context()).shake_hands()
        assert isinstance(pair.client.failure, ssl.SSLError)
        assert isinstance(pair.client.failure.__cause__, UsageError)
        assert pair.client.tls.peer is None


# -- data --------------------------------------------------------------------------------------------------


def test_records_are_taken_one_at_a_time_so_that_an_event_loop_sees_the_rest() -> None:
    """uvloop looks at what is pending, and would never ask again."""
    pair = Pair(client_context(), server_context()).shake_hands()
    pair.client.tls.write(b"x" * 40000)
    pair.carry()
    sizes = []
    while pair.server.incoming.pending or pair.server.tls.pending():
        sizes.append(len(pair.server.tls.read(100000)))
    assert sum(sizes) == 40000
    assert max(sizes) <= 2**14
    with pytest.raises(ssl.SSLWantReadError):
        pair.server.tls.read()


def test_data_that_came_with_the_last_flight_stays_to_be_seen() -> None:
    pair = Pair(client_context(), server_context())
    while not pair.client.done:
        pair.client.step()
        pair.carry()
        if not pair.client.done:
            pair.server.step()
            pair.carry()
    pair.client.tls.write(b"early")
    pair.carry()
    pair.server.step()
    assert pair.server.done
    assert pair.server.incoming.pending > 0
    assert pair.server.tls.read() == b"early"


def test_reading_takes_as_much_as_is_asked_for() -> None:
    pair = Pair(client_context(), server_context()).shake_hands()
    pair.client.tls.write(b"abcdefghij")
    pair.carry()
    end = pair.server.tls
    buffer = bytearray(4)
    assert (end.read(3), end.pending(), end.read(0)) == (b"abc", 7, b"")
    assert end.read(2, buffer) == 2
    assert bytes(buffer) == b"de\0\0"
    assert end.read(1000, memoryview(buffer)) == 4
    assert bytes(buffer) == b"fghi"
    assert end.read() == b"j"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_writing_takes_whatever_has_bytes(kind: Any) -> None:
    pair = Pair(client_context(), server_context()).shake_hands()
    assert pair.client.tls.write(kind(b"0123")) == 4
    assert pair.client.tls.write(b"") == 0
    pair.carry()
    assert pair.server.tls.read() == b"0123"


def test_reading_and_writing_begin_with_the_handshake() -> None:
    pair = Pair(client_context(), server_context())
    for call in (lambda: pair.client.tls.read(), lambda: pair.client.tls.write(b"x")):
        with pytest.raises(ssl.SSLWantReadError):
            call()
    assert pair.client.outgoing.pending > 0


def test_fast_path_takes_nothing_but_data() -> None:
    """Key updates, empty records and the peer's end go their usual way, whatever was open before."""
    pair = Pair(client_context(), server_context()).shake_hands()
    assert pair.talk() == b"hello"
    for end in (pair.client, pair.server):
        assert end.tls._talk.is_plain
    pair.client.tls._talk.connection.update_keys(ask=True)
    assert pair.client.tls.write(b"under new keys") == 14
    pair.carry()
    assert pair.server.tls.read() == b"under new keys"
    assert pair.server.outgoing.pending > 0
    assert pair.talk(b"and back" * 5000) == b"and back" * 5000
    pair.client.tls.write(b"x" * 100)
    pair.carry()
    assert pair.server.tls.read(30) == b"x" * 30
    assert pair.server.tls.pending() == 70
    assert pair.server.tls.read(100) == b"x" * 70
    pair.server.incoming.write(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(ssl.SSLError, match="cannot be decrypted with the current keys"):
        pair.server.tls.read()
    with pytest.raises(ssl.SSLError):
        pair.server.tls.write(b"after the end")


# -- the end -----------------------------------------------------------------------------------------------


def test_a_size_below_nothing_is_no_end_of_what_comes() -> None:
    """b"" would say that the peer has ended in order."""
    pair = Pair(client_context(), server_context()).shake_hands()
    with pytest.raises(ValueError, match="negative"):
        pair.client.tls.read(-1)


def test_nothing_is_ended_in_order_before_it_has_begun() -> None:
    for end in vars(Pair(client_context(), server_context())).values():
        with pytest.raises(ssl.SSLError) as raised:
            end.tls.unwrap()
        assert raised.value.reason == "SHUTDOWN_WHILE_IN_INIT"


@pytest.mark.parametrize(
    "when", ["read before, and left there", "there before", "comes after", "with the end"]
)
def test_unread_data_ends_unwrap_and_is_not_lost(when: str) -> None:
    """As `ssl` has it: who unwraps is told, and may read it and unwrap then."""
    pair = Pair(client_context(), server_context()).shake_hands()
    client, server = pair.client.tls, pair.server.tls
    if when == "comes after":
        with pytest.raises(ssl.SSLWantReadError):
            client.unwrap()
    server.write(b"last words")
    if when == "with the end":
        with pytest.raises(ssl.SSLWantReadError):
            server.unwrap()
    pair.carry()
    expected = b"last words"
    if when == "read before, and left there":
        assert client.read(5) == b"last "
        expected = b"words"
    for _ in range(2):
        with pytest.raises(ssl.SSLError) as raised:
            client.unwrap()
        assert raised.value.reason == "APPLICATION_DATA_AFTER_CLOSE_NOTIFY"
    assert client.read() == expected
    if when != "with the end":
        with pytest.raises(ssl.SSLWantReadError):
            client.unwrap()
        pair.carry()
        server.unwrap()
        pair.carry()
    client.unwrap()


def test_a_buffer_that_cannot_be_written_to_takes_nothing_away() -> None:
    """What came is there for the next who reads."""
    pair = Pair(client_context(), server_context()).shake_hands()
    pair.server.tls.write(b"hello")
    pair.carry()
    with pytest.raises(TypeError, match="can be written to"):
        pair.client.tls.read(10, memoryview(b"12345"))
    assert pair.client.tls.read() == b"hello"


def test_a_connection_is_neither_copied_nor_pickled() -> None:
    """Two that seal by one key would use each nonce twice."""
    pair = Pair(client_context(), server_context()).shake_hands()
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot copy or pickle SSLObject"):
            attempt(pair.client.tls)


def test_a_connection_that_is_dropped_waits_for_no_garbage_collector() -> None:
    """No cycle of references keeps it, so that its memory is free for the next one at once."""

    def alive() -> int:
        return sum(type(each) is Connection for each in gc.get_objects())

    gc.collect()
    before = alive()
    gc.disable()
    try:
        pair = Pair(client_context(), server_context()).shake_hands()
        assert alive() == before + 2
        del pair
        assert alive() == before
    finally:
        gc.enable()


def test_both_sides_close_in_order() -> None:
    """RFC 9846 6.1: close_notify either way; then there is nothing more to read."""
    pair = Pair(client_context(), server_context()).shake_hands()
    with pytest.raises(ssl.SSLWantReadError):
        pair.client.tls.unwrap()
    pair.carry()
    assert pair.server.tls.read() == b""
    pair.server.tls.write(b"last words")  # one direction may stay open
    pair.server.tls.unwrap()
    pair.carry()
    assert pair.client.tls.read() == b"last words"
    pair.client.tls.unwrap()
    for end in (pair.client.tls, pair.server.tls):
        with pytest.raises(ssl.SSLZeroReturnError):
            end.read()
        with pytest.raises(ssl.SSLZeroReturnError):
            end.write(b"more")


def test_a_truncation_differs_from_an_end() -> None:
    """Data that came before it is read first."""
    pair = Pair(client_context(), server_context()).shake_hands()
    pair.client.tls.write(b"first")
    pair.carry()
    pair.server.incoming.write_eof()
    assert pair.server.tls.read() == b"first"
    for _ in range(2):
        with pytest.raises(ssl.SSLEOFError) as cut:
            pair.server.tls.read()
    assert isinstance(cut.value.__cause__, Truncated)
    tolerant = Pair(client_context(), server_context(insecure_ignore_truncation=True)).shake_hands()
    tolerant.server.incoming.write_eof()
    assert tolerant.server.tls.read() == b""


# -- judging again -----------------------------------------------------------------------------------------


def test_a_peer_that_is_revoked_is_judged_again_before_each_read_and_write() -> None:
    """What it sent and was not read yet is handed out no more."""
    lists = CRLStore(identities.crls())
    revocation = Revocation(crls=lists)
    for act in (lambda end: end.read(), lambda end: end.write(b"x")):
        lists = CRLStore(identities.crls())
        revocation = Revocation(crls=lists)
        server = server_context(revocation=revocation, judge_again="change")
        pair = Pair(client_context(), server).shake_hands()
        assert pair.talk() == b"hello"
        pair.client.tls.write(b"one" * 10)
        pair.carry()
        assert pair.server.tls.read(3) == b"one"
        for each in identities.crls(identities.client(), number=2):
            lists.add(each)
        for _ in range(2):
            with pytest.raises(ssl.SSLCertVerificationError) as revoked:
                act(pair.server.tls)
            assert revoked.value.verify_code == 23
        pair.carry()
        with pytest.raises(ssl.SSLError, match="revoked"):
            pair.client.tls.read()


# -- in an event loop --------------------------------------------------------------------------------------


async def refused(port: int, context: SSLContext) -> Exception | None:
    try:
        reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
        writer.write(b"x")
        await reader.read(10)
    except ssl.SSLError as error:
        return error
    return None


@pytest.mark.network
def test_asyncio_brings_a_servers_alert_to_its_client(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bothways")

    async def main() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(5))
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_context()) as server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("localhost", port, ssl=client_context())
            writer.write(b"hello")
            assert await reader.read() == b"hello"
            assert writer.get_extra_info("ssl_object").peer.names.dns == ("localhost",)
            assert writer.get_extra_info("peercert")["subject"] == ((("commonName", "server"),),)
            writer.close()
            error = await refused(port, client_context(who=False))
            assert "we sent no certificate" in str(error)
            error = await refused(port, client_context(anchors=another_anchor()))
            assert isinstance(error, ssl.SSLCertVerificationError)

    logging.getLogger("asyncio").disabled = True
    try:
        asyncio.run(main())
    finally:
        logging.getLogger("asyncio").disabled = False
    assert "sent no certificate although we require one" in caplog.text


def test_a_size_of_the_wrong_type_loses_no_data() -> None:
    """The call raises TypeError as with `ssl`, and the data is there for the next one."""
    pair = Pair(client_context(), server_context()).shake_hands()
    for _ in range(2):  # with what is received only by the call, and with what was received before
        pair.server.tls.write(b"abcdef")
        pair.carry()
        with pytest.raises(TypeError):
            pair.client.tls.read(2.5)
        assert pair.client.tls.read(2) == b"ab"
        with pytest.raises(TypeError):
            pair.client.tls.read(2.5)
        assert Pair.read(pair.client, 4) == b"cdef"
