"""The encrypted part of a ClientHello: what it shares with the one around it, and its padding (RFC 9849 5.1, 6.1.3)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from bothways.faults import Fault, blame
from bothways.iana import ECHClientHelloType, ExtensionType, ProtocolVersion, is_grease, name
from bothways.tls.ech.configs import ECHConfig
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.decode_errors import DecodeError
from bothways.tls.wire.extension_placement import check_placement, first_repeated
from bothways.tls.wire.extension_table import ExtensionContext, code
from bothways.tls.wire.flight import HEADER, encode_message
from bothways.tls.wire.hello import CLIENT_HELLO, ClientHello, with_extensions

INNER = ext.EncryptedClientHello(ECHClientHelloType.inner)
_SERVER_NAME_OVERHEAD = 9


def body_of(hello: ClientHello) -> bytes:
    """Return the encoding of a ClientHello without the header of a handshake message."""
    return encode_message(hello)[HEADER:]


def encoded_inner(inner: ClientHello, shared: Collection[int], config: ECHConfig | None) -> bytes:
    """Return the EncodedClientHelloInner of `inner`, padded (RFC 9849 5.1, 6.1.3).

    shared: the codes of extensions that the outer ClientHello has too, in the same order; in `inner` they are one
    contiguous run.  config: its longest name is padded to; None for a ClientHello that is not really encrypted.
    """
    extensions: list[ext.Extension] = []
    taken: list[int] = []
    place = 0
    for each in inner.extensions or ():
        if code(each) not in shared:
            extensions.append(each)
            continue
        if not taken:
            place = len(extensions)
        taken.append(code(each))
    if taken:
        extensions.insert(place, ext.OuterExtensions(tuple(taken)))
    body = body_of(replace(inner, legacy_session_id=b"", extensions=tuple(extensions)))
    longest = 0 if config is None else config.maximum_name_length
    padding = _name_padding(inner.extensions or (), longest)
    padding += 31 - (len(body) + padding - 1) % 32
    return body + bytes(padding)


def decoded_inner(encoded: bytes, outer: ClientHello) -> ClientHello:
    """Return the ClientHello of an EncodedClientHelloInner, with the extensions that it shares with `outer`.

    The work is linear in the size of both. Blames the client for anything that RFC 9849 5.1 does not allow.
    """
    try:
        short, end = CLIENT_HELLO.read(encoded, 0, len(encoded))
    except DecodeError as error:
        error.within("ClientHelloInner")
        error.locate()
        raise
    if any(encoded[end:]):
        blame(Fault.BAD_INNER_HELLO, problem="has padding that is not zero")
    extensions: list[ext.Extension] = []
    is_expanded = False
    for each in short.extensions or ():
        if not isinstance(each, ext.OuterExtensions):
            extensions.append(each)
        elif is_expanded:
            blame(Fault.BAD_INNER_HELLO, problem="has ech_outer_extensions twice")
        else:
            is_expanded = True
            extensions += _shared(each.types, outer.extensions or ())
    inner = replace(short, legacy_session_id=outer.legacy_session_id, extensions=tuple(extensions))
    check_placement(ExtensionContext.CH, inner.extensions or (), None)
    _check_inner(short, inner)
    return inner


def _shared(types: Sequence[int], outer: Sequence[ext.Extension]) -> list[ext.Extension]:
    """Return the extensions of the outer ClientHello with these codes, which must be there in this order."""
    if len(set(types)) != len(types):
        repeated = name(ExtensionType, first_repeated(types))
        blame(Fault.BAD_INNER_HELLO, problem=f"names the outer extension {repeated} twice")
    if ExtensionType.encrypted_client_hello in types:
        blame(Fault.BAD_INNER_HELLO, problem="names encrypted_client_hello as an outer extension")
    found: list[ext.Extension] = []
    rest = iter(outer)
    for wanted in types:
        each = next((each for each in rest if code(each) == wanted), None)
        if each is None:
            missing = name(ExtensionType, wanted)
            blame(
                Fault.BAD_INNER_HELLO,
                problem=f"names the outer extension {missing}, which is not there in this order",
            )
        found.append(each)
    return found


def _check_inner(short: ClientHello, inner: ClientHello) -> None:
    """Check what a server has to check before it uses a decrypted ClientHello (RFC 9849 5.1, 7.1)."""
    extensions = inner.extensions or ()
    if short.legacy_session_id:
        blame(Fault.BAD_INNER_HELLO, problem="has a session ID of its own")
    if ext.find(extensions, ext.EncryptedClientHello) != INNER:
        blame(Fault.BAD_INNER_HELLO, problem="has no encrypted_client_hello of type inner")
    versions = ext.find(extensions, ext.SupportedVersions)
    if versions is None or any(
        each < ProtocolVersion.TLSv1_3 and not is_grease(each) for each in versions.versions
    ):
        blame(Fault.BAD_INNER_HELLO, problem="offers a version before TLS 1.3")


def _name_padding(extensions: Sequence[ext.Extension], longest: int) -> int:
    asked = ext.find(extensions, ext.ServerName)
    if asked is None or asked.host_name is None:
        return longest + _SERVER_NAME_OVERHEAD
    return max(0, longest - len(asked.host_name))


def associated_data(outer: ClientHello) -> bytes:
    """Return what the encryption is bound to: the outer ClientHello with zeros as its payload (RFC 9849 5.2)."""
    sent = ext.find(outer.extensions or (), ext.EncryptedClientHello)
    return body_of(outer if sent is None else with_payload(outer, bytes(len(sent.payload))))


def with_payload(outer: ClientHello, payload: bytes) -> ClientHello:
    """Return an outer ClientHello with another payload in its encrypted_client_hello."""
    extensions = [
        replace(each, payload=payload) if isinstance(each, ext.EncryptedClientHello) else each
        for each in outer.extensions or ()
    ]
    return with_extensions(outer, tuple(extensions))
