"""A client's side of the encrypted ClientHello: it offers two, and finds out which of them the server answers.

The inner ClientHello has the server's name and everything else that is private; the outer one has the public name of
the configuration. A server that answers the outer one is authenticated for the public name, gets neither a certificate
nor data, and the connection ends (RFC 9849 6.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, NoReturn

from bothways.faults import Fault, blame
from bothways.iana import ECHClientHelloType, NamedGroup
from bothways.tls.crypto.hpke import EXPANSION, public_bytes, sender
from bothways.tls.crypto.suites import Suite
from bothways.tls.ech.configs import SUITES, VERSION, ECHConfigList, encoded_list, preferred_config
from bothways.tls.ech.confirmation import confirmation, confirmation_in, unconfirmed
from bothways.tls.ech.inner_hello import INNER, associated_data, encoded_inner, with_payload
from bothways.tls.handshake.client.offered import EncryptedOffer, Offered
from bothways.tls.handshake.client.psks import OfferedPSK, offering
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.keys.schedule13 import same_secret
from bothways.tls.keys.transcript import Transcript
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.extension_table import code, codes
from bothways.tls.wire.flight import encode_message
from bothways.tls.wire.hello import ClientHello, ServerHello, is_retry, with_extensions
from bothways.tls.wire.tls13 import EncryptedExtensions

# What only the inner ClientHello has; everything else is the same in both, and sent once (RFC 9849 5.1, 10.5).
_PRIVATE = (ext.ServerName, ext.ApplicationProtocols, ext.PreSharedKeys, ext.EncryptedClientHello)
SHOWN_CONFIGS = 200  # characters of a new configuration that a hint has


def send_encrypted(
    hs: HandshakeContext, configs: ECHConfigList, offered: Offered, hello: ClientHello
) -> Offered:
    """Send `hello` encrypted, with the PSKs of `offered`; return what was offered (RFC 9849 6.1).

    Until the server answers, the transcript of the connection is that of the outer ClientHello.
    """
    config = configs.preferred
    suite = config.suites[0]
    enc, context = sender(suite, config.public_key, config.info, hs.randomness)
    private = [each for each in hello.extensions or () if isinstance(each, _PRIVATE)]
    inner, raw = _with_psks(hs, with_extensions(hello, (*private, INNER, *_shared(hello))), offered.psks)
    outer = replace(hello, random=hs.randomness.random(32), extensions=())
    encrypted = _around(hs, inner, EncryptedOffer(config, suite, context, outer, Transcript()), enc)
    hs.send(encrypted.outer)
    encrypted.transcript.add(raw)
    hs.inbox.offered = codes(inner.extensions) | codes(encrypted.outer.extensions)
    return _kept(hs, offered, inner, encrypted)


def send_encrypted_again(hs: HandshakeContext, offered: Offered, encrypted: EncryptedOffer) -> Offered:
    """Send the second ClientHello, encrypted in the same context (RFC 9849 6.1.5)."""
    inner, raw = _with_psks(hs, offered.hello, offered.psks)
    encrypted = _around(hs, inner, encrypted, b"")
    hs.send(encrypted.outer, hashed=raw)
    hs.inbox.offered = codes(inner.extensions) - {code(INNER)}
    return _kept(hs, offered, inner, encrypted)


def _around(
    hs: HandshakeContext, inner: ClientHello, encrypted: EncryptedOffer, enc: bytes
) -> EncryptedOffer:
    """Return the offer with the outer ClientHello in which `inner` is encrypted (RFC 9849 6.1.1)."""
    suite, config, shared = encrypted.suite, encrypted.config, _shared(inner)
    encoded = encoded_inner(inner, codes(shared), config)
    sealed = ext.EncryptedClientHello(
        ECHClientHelloType.outer,
        suite.kdf,
        suite.aead,
        config.config_id,
        enc,
        bytes(len(encoded) + EXPANSION),
    )
    extensions = (ext.ServerName(config.public_name), *shared, sealed, *_grease_psks(hs, inner))
    outer = with_extensions(encrypted.outer, extensions)
    payload = encrypted.context.seal(associated_data(outer), encoded)
    return encrypted._replace(outer=with_payload(outer, payload))


def _kept(hs: HandshakeContext, offered: Offered, inner: ClientHello, encrypted: EncryptedOffer) -> Offered:
    hs.history.replace_last(True, inner)
    return offered._replace(hello=inner, encrypted=encrypted)


def _with_psks(
    hs: HandshakeContext, inner: ClientHello, psks: Sequence[OfferedPSK]
) -> tuple[ClientHello, bytes]:
    return offering(hs, inner, psks) if psks else (inner, encode_message(inner))


def _shared(hello: ClientHello) -> tuple[ext.Extension, ...]:
    return tuple(each for each in hello.extensions or () if not isinstance(each, _PRIVATE))


def _grease_psks(hs: HandshakeContext, inner: ClientHello) -> tuple[ext.Extension, ...]:
    """Return random PSKs of the same size, so that the server's answer does not stand out (RFC 9849 6.1.2)."""
    real = ext.find(inner.extensions or (), ext.PreSharedKeys)
    if real is None:
        return ()
    random = hs.randomness.random
    identities = tuple(
        ext.PskIdentity(random(len(each.identity)), int.from_bytes(random(4), "big"))
        for each in real.identities
    )
    return (ext.PreSharedKeys(identities, tuple(random(len(each)) for each in real.binders)),)


def settle(hs: HandshakeContext, suite: Suite, offered: Offered, answer: ServerHello) -> Offered:
    """Return which ClientHello the server answered, and continue with its transcript (RFC 9849 6.1.4).

    The answer, which may be a HelloRetryRequest, is the last message of the transcript.
    """
    encrypted = offered.encrypted
    if encrypted is None:
        return offered
    inner = encrypted.transcript
    inner.receive(encode_message(answer))
    inner.choose(suite.hash)
    if is_retry(answer):
        inner.replace_with_message_hash()
    if _is_confirmed(inner, suite, offered.hello, answer):
        hs.continue_transcript(inner)
        hs.inbox.offered = codes(offered.hello.extensions) - {code(INNER)}
        return offered
    inner.forget()
    hs.inbox.offered = codes(encrypted.outer.extensions)
    return offered._replace(hello=encrypted.outer, psks=(), kept_by=None, is_rejected=True)


def check_confirmed_again(hs: HandshakeContext, suite: Suite, offered: Offered, answer: ServerHello) -> None:
    """Blame a server that confirmed in its HelloRetryRequest and not in its ServerHello (RFC 9849 6.1.5)."""
    is_encrypted = offered.encrypted is not None and not offered.is_rejected
    if is_encrypted and not _is_confirmed(hs.transcript, suite, offered.hello, answer):
        blame(Fault.ECH_NOT_CONFIRMED)


def _is_confirmed(transcript: Transcript, suite: Suite, inner: ClientHello, answer: ServerHello) -> bool:
    found = confirmation_in(answer)
    if found is None:
        return False
    transcript_hash = transcript.with_last(unconfirmed(answer))
    expected = confirmation(suite.hash, inner.random, transcript_hash, retry=is_retry(answer))
    return same_secret(found, expected)


class Retry(NamedTuple):
    """What a server offers instead of the configuration that it does not have (RFC 9849 6.1.6).

    configs: by which we may try again; None without a usable one.  is_disabled: it has none of our version, by which it
    says that it decrypts nothing any more.
    """

    configs: ECHConfigList | None
    is_disabled: bool


NOTHING_OFFERED = Retry(None, is_disabled=True)


def retry_configs(encrypted: EncryptedExtensions) -> Retry:
    """Return what the server offers instead (RFC 9849 6.1.6).

    Blames the server for configurations that cannot be decoded, also where nothing was really encrypted.
    """
    found = ext.find(encrypted.extensions, ext.RetryConfigs)
    if found is None:
        return NOTHING_OFFERED
    is_usable = preferred_config(found.configs) is not None
    is_disabled = all(each.version != VERSION for each in found.configs)
    return Retry(ECHConfigList(encoded_list(found.configs)) if is_usable else None, is_disabled)


def reject(retry: Retry) -> NoReturn:
    """End the connection to a server that answered the outer ClientHello, after its authentication (RFC 9849 6.1.6)."""
    configs = retry.configs
    if configs is not None:
        answered = "sent a new configuration"
        text = str(configs)
        which = text if len(text) <= SHOWN_CONFIGS else "error.facts['retry_configs']"
        remedy = f"connect again by the new configuration, {which}; update where the old one came from"
    elif retry.is_disabled:
        answered = "has no new configuration: it has switched encrypted ClientHellos off"
        remedy = "connect without ech, if the server's name may be seen on the network"
    else:
        answered = "sent only configurations that we do not support"
        remedy = "have the server publish one with DHKEM(X25519, HKDF-SHA256)"
    blame(
        Fault.ECH_REJECTED,
        answered=answered,
        remedy=remedy,
        retry_configs=configs,
        is_disabled=retry.is_disabled,
    )


def with_grease(hs: HandshakeContext, hello: ClientHello, psks: Sequence[OfferedPSK]) -> ClientHello:
    """Return a ClientHello that looks as if it contained an encrypted one (RFC 9849 6.2.1).

    psks: those that it will offer, which would be in the encrypted one too.
    """
    suite = SUITES[hs.randomness.random(1)[0] % len(SUITES)]
    shared = _shared(hello)
    private = [each for each in hello.extensions or () if isinstance(each, _PRIVATE)]
    inner = with_extensions(hello, (*private, INNER, *shared))
    if psks:
        inner, _ = offering(hs, inner, psks)
    made_up = ext.EncryptedClientHello(
        ECHClientHelloType.outer,
        suite.kdf,
        suite.aead,
        hs.randomness.random(1)[0],
        public_bytes(hs.randomness.private_key(NamedGroup.x25519)),
        hs.randomness.random(len(encoded_inner(inner, codes(shared), None)) + EXPANSION),
    )
    return with_extensions(hello, (*(hello.extensions or ()), made_up))
