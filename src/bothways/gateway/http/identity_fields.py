"""Who the client is, in header fields: Client-Cert and Client-Cert-Chain (RFC 9440), X-Forwarded-Client-Cert (Envoy).

All of it comes from the verdict about the client. A value ends where its quotes end, however its reader treats quotes:
no name can put a quote, a separator or a line end there.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.gateway.config.http import IdentityField
from bothways.gateway.http.messages import Field
from bothways.tls.events import Peer
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.names.distinguished import dn_text, is_readable
from bothways.trust.names.general import is_dns_name, lower_ascii

MOST_BYTES = 32 * 1024  # of all these fields together
SUBJECT_LIMIT = 4096  # characters of a subject; a longer one is left out, since a part of it is another name
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+", re.ASCII)
_QUOTED_IF = re.compile(r"[,;=]")
_PLAIN = re.compile(r"[A-Za-z0-9 !#$%&'()*./:=?@\[\]^_`{|}~+,-]", re.ASCII)


def identity_fields(peer: Peer, own_uris: Sequence[str], wanted: Sequence[IdentityField]) -> list[Field]:
    """Return the fields that a route wants of a verified client. own_uris: the URIs of our own certificate.

    Raises OSError where the certificate is too long for a header.
    """
    fields: list[Field] = []
    if "client-cert" in wanted:
        fields.append((b"client-cert", _octets(peer.verdict.certificate)))
    chain = peer.path[1:-1]  # the trust anchor may be left out (RFC 9440 2.3)
    if "client-cert-chain" in wanted and chain:
        fields.append((b"client-cert-chain", b", ".join(map(_octets, chain))))
    if "x-forwarded-client-cert" in wanted:
        fields.append((b"x-forwarded-client-cert", forwarded_client_cert(peer, own_uris).encode("ascii")))
    if sum(len(name) + len(value) for name, value in fields) > MOST_BYTES:
        raise OSError("the client's certificate is too long for header fields")
    return fields


def forwarded_client_cert(peer: Peer, own_uris: Sequence[str]) -> str:
    """Return one element of X-Forwarded-Client-Cert: By, Hash, Subject, URI and DNS, as far as they are there.

    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert
    """
    leaf = ParsedCertificate(peer.verdict.path_der[0])
    parts = [f"By={_value(each)}" for each in own_uris if _URI.fullmatch(each)]
    parts.append(f"Hash={leaf.digest.hex()}")
    subject = dn_text(leaf.subject) if is_readable(leaf.subject) else ""
    if 0 < len(subject) <= SUBJECT_LIMIT:
        parts.append(f'Subject="{escaped_subject(subject)}"')
    parts += [f"URI={_value(each)}" for each in peer.names.uri if _URI.fullmatch(each)]
    parts += [f"DNS={each}" for each in peer.names.dns if _is_name(each)]
    return ";".join(parts)


def escaped_subject(text: str) -> str:
    r"""Return a name of RFC 4514 in ASCII, with every escape as `\` and two hexadecimal digits.

    That is the same name, without a quote and without a backslash before one.
    """
    made, characters = [], iter(text)
    for each in characters:
        if each == "\\":
            made.append(_pairs(next(characters, "\\")))
        else:
            made.append(each if _PLAIN.fullmatch(each) else _pairs(each))
    return "".join(made)


def _pairs(character: str) -> str:
    return "".join(f"\\{each:02X}" for each in character.encode("utf-8", "surrogatepass"))


def _value(text: str) -> str:
    """Quote a value as Envoy does, if it has a separator; it has no quote."""
    return f'"{text}"' if _QUOTED_IF.search(text) else text


def _is_name(name: str) -> bool:
    return is_dns_name(lower_ascii(name).removeprefix("*."))


def _octets(certificate: x509.Certificate) -> bytes:
    """Return a certificate as a byte sequence (RFC 9651 3.3.5)."""
    return b":" + base64.b64encode(certificate.public_bytes(Encoding.DER)) + b":"
