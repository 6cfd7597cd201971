"""A server's side of the encrypted ClientHello: it decrypts it and confirms that, or offers its configuration.

Whoever cannot be decrypted is served by the outer ClientHello, as if it had no encrypted one (RFC 9849 7).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from bothways.faults import Fault, blame
from bothways.iana import ECHClientHelloType, ExtensionType
from bothways.iana import name as spelled
from bothways.roles import StepId
from bothways.tls.crypto.aead import Forged
from bothways.tls.crypto.hpke import Context, HpkeSuite, recipient
from bothways.tls.crypto.suites import Suite
from bothways.tls.ech.confirmation import UNCONFIRMED, confirmation, unconfirmed, with_confirmation
from bothways.tls.ech.inner_hello import associated_data, decoded_inner
from bothways.tls.ech.keys import ECHKey, ECHKeys
from bothways.tls.events import Proved
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello, ServerHello, is_retry


class Decrypted(NamedTuple):
    """The context in which a ClientHello was decrypted, and what a second one must repeat."""

    suite: HpkeSuite
    config_id: int
    context: Context


class ReceivedHello(NamedTuple):
    """The ClientHello that the server answers, and what it says about encryption.

    decrypted: how it was encrypted; None if it was not, or could not be decrypted.  retry_configs: the configuration
    for a client that could not be decrypted.  may_be_encrypted: whether there are keys.
    """

    hello: ClientHello
    decrypted: Decrypted | None = None
    retry_configs: ext.RetryConfigs | None = None
    may_be_encrypted: bool = False

    def confirm(self, hs: HandshakeContext, suite: Suite, answer: ServerHello) -> ServerHello:
        """Return a ServerHello or HelloRetryRequest that confirms the decryption (RFC 9849 7.2); else unchanged."""
        if self.decrypted is None:
            return answer
        retry = is_retry(answer)
        if retry:
            answer = replace(answer, extensions=(*(answer.extensions or ()), UNCONFIRMED))
        transcript_hash = hs.transcript.with_start(unconfirmed(answer), suite.hash)
        value = confirmation(suite.hash, self.hello.random, transcript_hash, retry=retry)
        return with_confirmation(answer, value)

    def second(self, hs: HandshakeContext, outer: ClientHello) -> ClientHello:
        """Return the second ClientHello, decrypted where the first was (RFC 9849 7.1.1)."""
        if self.decrypted is None:
            if self.may_be_encrypted:
                _sent(outer)
            return outer
        sent = ext.find(outer.extensions or (), ext.EncryptedClientHello)
        if sent is None:
            blame(
                Fault.MISSING_EXTENSION,
                message="ClientHello",
                extension=spelled(ExtensionType, ExtensionType.encrypted_client_hello),
            )
        for field, is_same in (
            ("type", sent.kind == ECHClientHelloType.outer),
            ("cipher_suite", (sent.kdf, sent.aead) == self.decrypted.suite),
            ("config_id", sent.config_id == self.decrypted.config_id),
            ("enc, which has to be empty,", not sent.enc),
        ):
            if not is_same:
                blame(Fault.CHANGED_ECH, field=field)
        try:
            encoded = self.decrypted.context.open(associated_data(outer), sent.payload)
        except Forged:
            blame(Fault.UNREADABLE_INNER_HELLO)
        inner = decoded_inner(encoded, outer)
        hs.replace_received(inner)
        return inner


def decrypt_hello(hs: HandshakeContext, keys: ECHKeys | None, hello: ClientHello) -> ReceivedHello:
    """Return the ClientHello to answer: the inner one, if `keys` decrypt it (RFC 9849 7.1).

    One key is tried, that of the configuration which the client names.
    """
    if keys is None:
        return ReceivedHello(hello)
    sent = _sent(hello)
    if sent is None:
        return ReceivedHello(hello, may_be_encrypted=True)
    key = keys.with_id(sent.config_id)
    opened = None if key is None else _opened(key, sent, associated_data(hello))
    if opened is None:
        return ReceivedHello(hello, retry_configs=keys.retry_configs, may_be_encrypted=True)
    decrypted, encoded = opened
    inner = decoded_inner(encoded, hello)
    hs.replace_received(inner)
    if hs.observer is not None:
        hs.observer(Proved(StepId.CLIENT_HELLO, "the encrypted ClientHello was decrypted"))
    return ReceivedHello(inner, decrypted)


def _sent(hello: ClientHello) -> ext.EncryptedClientHello | None:
    """Return the encrypted ClientHello in an outer one; None without one. Blames the client for another type."""
    extensions = hello.extensions or ()
    if ext.find(extensions, ext.OuterExtensions) is not None:
        blame(Fault.MISPLACED_EXTENSION, extension="ech_outer_extensions", message="ClientHello")
    for each in extensions:
        if (
            isinstance(each, ext.UnknownExtension)
            and each.extension_type == ExtensionType.encrypted_client_hello
        ):
            blame(Fault.INNER_HELLO_IN_CLEAR, got=spelled(ECHClientHelloType, each.data[0]))
        if isinstance(each, ext.EncryptedClientHello):
            if each.kind != ECHClientHelloType.outer:
                blame(Fault.INNER_HELLO_IN_CLEAR, got=spelled(ECHClientHelloType, each.kind))
            return each
    return None


def _opened(key: ECHKey, sent: ext.EncryptedClientHello, bound_to: bytes) -> tuple[Decrypted, bytes] | None:
    suite = HpkeSuite(sent.kdf, sent.aead)
    if suite not in key.config.suites:
        return None
    try:
        context = recipient(suite, sent.enc, key.private_key, key.config.info)
        return Decrypted(suite, sent.config_id, context), context.open(bound_to, sent.payload)
    except Forged:
        return None
