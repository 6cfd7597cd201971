"""The transcript: what it covers at each moment, also across a HelloRetryRequest."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.hashes import SHA256, SHA384

from bothways.tls.keys.transcript import EARLY_LIMIT, Transcript

HELLO, ANSWER, MORE, LAST = b"\x01\0\0\x02hi", b"\x02\0\0\x02ho", b"\x08\0\0\0", b"\x14\0\0\x01f"


def sha256(*messages: bytes) -> bytes:
    return hashlib.sha256(b"".join(messages)).digest()


def test_messages_before_the_choice_of_hash_are_kept() -> None:
    """RFC 9846 4.1: the hash is that of the cipher suite, known with ServerHello."""
    transcript = Transcript()
    transcript.add(HELLO)
    transcript.receive(ANSWER)
    transcript.choose(SHA256())
    assert transcript.digest() == sha256(HELLO, ANSWER)


def test_the_message_received_last_is_not_in_the_hash_before_it() -> None:
    """RFC 9846 4.5.2, 4.5.3: a CertificateVerify and a Finished cover what came before them."""
    transcript = Transcript()
    transcript.choose(SHA384())
    transcript.add(HELLO)
    transcript.receive(ANSWER)
    assert transcript.before() == hashlib.sha384(HELLO).digest()
    assert transcript.before() == hashlib.sha384(HELLO).digest()
    transcript.receive(MORE)
    assert transcript.before() == hashlib.sha384(HELLO + ANSWER).digest()
    transcript.add(LAST)
    assert transcript.before() == hashlib.sha384(HELLO + ANSWER + MORE + LAST).digest()


def test_asking_for_the_whole_takes_the_pending_message_in() -> None:
    """RFC 9846 4.1: from then on it is among the messages before."""
    transcript = Transcript()
    transcript.choose(SHA256())
    transcript.receive(HELLO)
    assert transcript.before() == sha256()
    assert transcript.digest() == sha256(HELLO)
    assert transcript.before() == sha256(HELLO)
    assert transcript.digest() == sha256(HELLO)


def with_message_hash(*rest: bytes) -> bytes:
    return sha256(b"\xfe\0\0\x20" + sha256(HELLO), *rest)


def test_client_replaces_its_hello_and_keeps_the_retry_it_received() -> None:
    """RFC 9846 4.1: message_hash || HelloRetryRequest || ClientHello2."""
    transcript = Transcript()
    transcript.add(HELLO)
    transcript.receive(ANSWER)
    transcript.choose(SHA256())
    transcript.replace_with_message_hash()
    assert transcript.before() == with_message_hash()
    transcript.add(MORE)
    assert transcript.digest() == with_message_hash(ANSWER, MORE)


def test_server_replaces_the_hello_it_received() -> None:
    """RFC 9846 4.1: the hello is pending when the server decides to retry."""
    transcript = Transcript()
    transcript.receive(HELLO)
    transcript.choose(SHA256())
    transcript.replace_with_message_hash()
    transcript.add(ANSWER)
    transcript.receive(MORE)
    assert transcript.before() == with_message_hash(ANSWER)
    assert transcript.digest() == with_message_hash(ANSWER, MORE)


def test_the_message_hash_is_as_long_as_the_hash() -> None:
    """RFC 9846 4.1: its length field says so."""
    transcript = Transcript()
    transcript.add(HELLO)
    transcript.choose(SHA384())
    transcript.replace_with_message_hash()
    first = hashlib.sha384(HELLO).digest()
    assert transcript.digest() == hashlib.sha384(b"\xfe\0\0\x30" + first).digest()


def test_the_hash_is_chosen_once_and_before_it_is_asked_for() -> None:
    """Our own mistakes."""
    transcript = Transcript()
    transcript.add(HELLO)
    with pytest.raises(ValueError, match="not chosen"):
        transcript.digest()
    with pytest.raises(ValueError, match="not chosen"):
        transcript.replace_with_message_hash()
    transcript.choose(SHA256())
    with pytest.raises(ValueError, match="once"):
        transcript.choose(SHA256())


def test_memory_before_the_choice_of_hash_is_bounded() -> None:
    """Nobody can make a transcript grow without end."""
    transcript = Transcript()
    transcript.add(bytes(EARLY_LIMIT))
    with pytest.raises(ValueError, match="too many"):
        transcript.add(b"x")


def test_messages_are_kept_for_as_long_as_they_are_wanted() -> None:
    """RFC 5246 7.4.8: a CertificateVerify of TLS 1.2 signs the messages, by a hash of its own."""
    transcript = Transcript()
    transcript.add(HELLO)
    transcript.receive(ANSWER)
    assert transcript.messages_before() == HELLO
    transcript.choose(SHA256(), keep_messages=True)
    transcript.receive(MORE)
    assert transcript.messages_before() == HELLO + ANSWER
    assert transcript.messages() == HELLO + ANSWER + MORE
    assert transcript.digest() == sha256(HELLO, ANSWER, MORE)
    transcript.add(bytes(EARLY_LIMIT))
    assert transcript.messages() == HELLO + ANSWER + MORE + bytes(EARLY_LIMIT)
    transcript.forget_messages()
    with pytest.raises(ValueError, match="not kept"):
        transcript.messages()
    transcript.add(LAST)
    assert transcript.digest() == sha256(HELLO, ANSWER, MORE, bytes(EARLY_LIMIT), LAST)


def test_messages_are_not_kept_unless_they_are_wanted() -> None:
    """RFC 9846 4.1: TLS 1.3 needs the hash alone."""
    transcript = Transcript()
    transcript.add(HELLO)
    transcript.choose(SHA256())
    with pytest.raises(ValueError, match="not kept"):
        transcript.messages_before()


def test_a_transcript_that_was_forgotten_holds_nothing() -> None:
    """Nothing outlives the handshake."""
    transcript = Transcript()
    transcript.add(HELLO)
    transcript.choose(SHA256())
    transcript.receive(ANSWER)
    transcript.forget()
    with pytest.raises(ValueError, match="not chosen"):
        transcript.digest()


def test_a_branch_is_independent() -> None:
    """RFC 9846 4.7.2: each request after the handshake is answered over the handshake and itself alone."""
    transcript = Transcript()
    transcript.add(HELLO)
    transcript.choose(SHA256())
    transcript.receive(ANSWER)
    one, other = transcript.branch(), transcript.branch()
    one.add(MORE)
    other.add(LAST)
    assert one.digest() == sha256(HELLO, ANSWER, MORE)
    assert other.digest() == sha256(HELLO, ANSWER, LAST)
    assert transcript.digest() == sha256(HELLO, ANSWER)
    transcript.forget()
    assert one.branch().digest() == sha256(HELLO, ANSWER, MORE)
    with pytest.raises(ValueError, match="not chosen"):
        Transcript().branch()


def test_the_start_of_a_message_is_hashed_behind_what_was_said() -> None:
    """RFC 9846 4.3.11.2: a binder covers a hello up to its binders, by the hash of its key where none is chosen yet."""
    transcript = Transcript()
    assert transcript.with_start(HELLO[:3], SHA384()) == hashlib.sha384(HELLO[:3]).digest()
    transcript.add(HELLO)
    assert transcript.with_start(MORE, SHA256()) == sha256(HELLO, MORE)
    transcript.receive(ANSWER)
    transcript.choose(SHA256())
    assert transcript.with_start(MORE[:2], SHA384()) == sha256(HELLO, ANSWER, MORE[:2])
    transcript.add(LAST)
    assert transcript.digest() == sha256(HELLO, ANSWER, LAST), "what was only tried is not there"


def test_the_end_of_the_message_received_last_is_left_out() -> None:
    """RFC 9846 4.3.11.2: and it is whole in all that follows."""
    transcript = Transcript()
    transcript.choose(SHA256())
    transcript.add(HELLO)
    transcript.receive(ANSWER)
    assert transcript.without_end(2) == sha256(HELLO, ANSWER[:-2])
    assert transcript.digest() == sha256(HELLO, ANSWER)
