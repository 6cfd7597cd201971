"""The tables against the structs of the RFCs, field by field: types, names, order and bounds.

The facts of each struct stand below in an arrangement of our own, one line a struct, with its section.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from bothways.tls.wire import alert, hello, tls12, tls13
from bothways.tls.wire.codec import Codec, Record, Variants, Vector, definition
from bothways.tls.wire.extension_table import SERVER_NAME_LIST, STATUS, STATUS_REQUEST, TABLE

STRUCTS = """
RFC 9846 4.2.2     ClientHello: ProtocolVersion legacy_version; Random random; opaque legacy_session_id<0..32>; CipherSuite cipher_suites<2..2^16-2>; opaque legacy_compression_methods<1..2^8-1>; Extension extensions<7..2^16-1>
RFC 9846 4.2.3     ServerHello: ProtocolVersion legacy_version; Random random; opaque legacy_session_id_echo<0..32>; CipherSuite cipher_suite; uint8 legacy_compression_method; Extension extensions<6..2^16-1>
RFC 9846 4.3.1     SupportedVersions: ProtocolVersion versions<2..254>
RFC 9846 4.3.1     SupportedVersions/answer: ProtocolVersion selected_version
RFC 9846 4.3.2     Cookie: opaque cookie<1..2^16-1>
RFC 9846 4.3.3     SignatureSchemeList: SignatureScheme supported_signature_algorithms<2..2^16-2>
RFC 9846 4.3.4     CertificateAuthoritiesExtension: DistinguishedName authorities<3..2^16-1>
RFC 9846 4.3.5     OIDFilter: opaque certificate_extension_oid<1..2^8-1>; opaque certificate_extension_values<0..2^16-1>
RFC 9846 4.3.5     OIDFilterExtension: OIDFilter filters<0..2^16-1>
RFC 9846 4.3.6     PostHandshakeAuth:
RFC 9846 4.3.7     NamedGroupList: NamedGroup named_group_list<2..2^16-1>
RFC 9846 4.3.8     KeyShareEntry: NamedGroup group; opaque key_exchange<1..2^16-1>
RFC 9846 4.3.8     KeyShareClientHello: KeyShareEntry client_shares<0..2^16-1>
RFC 9846 4.3.8     KeyShareHelloRetryRequest: NamedGroup selected_group
RFC 9846 4.3.8     KeyShareServerHello: KeyShareEntry server_share
RFC 9846 4.3.9     PskKeyExchangeModes: PskKeyExchangeMode ke_modes<1..255>
RFC 9846 4.3.10    EarlyDataIndication: uint32 max_early_data_size
RFC 9846 4.3.11    PskIdentity: opaque identity<1..2^16-1>; uint32 obfuscated_ticket_age
RFC 9846 4.3.11    OfferedPsks: PskIdentity identities<7..2^16-1>; PskBinderEntry binders<33..2^16-1>
RFC 9846 4.3.11    PreSharedKeyExtension: uint16 selected_identity
RFC 9846 4.4.1     EncryptedExtensions: Extension extensions<0..2^16-1>
RFC 9846 4.4.2     CertificateRequest: opaque certificate_request_context<0..2^8-1>; Extension extensions<0..2^16-1>
RFC 9846 4.5.1     CertificateEntry: opaque cert_data<1..2^24-1>; Extension extensions<0..2^16-1>
RFC 9846 4.5.1     Certificate: opaque certificate_request_context<0..2^8-1>; CertificateEntry certificate_list<0..2^24-1>
RFC 9846 4.5.2     CertificateVerify: SignatureScheme algorithm; opaque signature<0..2^16-1>
RFC 9846 4.5.3     Finished: opaque verify_data[Hash.length]
RFC 9846 4.7.1     NewSessionTicket: uint32 ticket_lifetime; uint32 ticket_age_add; opaque ticket_nonce<0..255>; opaque ticket<1..2^16-1>; Extension extensions<0..2^16-1>
RFC 9846 4.7.3     KeyUpdate: KeyUpdateRequest request_update
RFC 9846 6         Alert: AlertLevel level; AlertDescription description
RFC 5246 7.4.1.1   HelloRequest:
RFC 5246 7.4.2     Certificate/1.2: ASN.1Cert certificate_list<0..2^24-1>
RFC 5246 7.4.4     CertificateRequest/1.2: ClientCertificateType certificate_types<1..2^8-1>; SignatureAndHashAlgorithm supported_signature_algorithms<2..2^16-1>; DistinguishedName certificate_authorities<0..2^16-1>
RFC 5246 7.4.5     ServerHelloDone:
RFC 5246 7.4.9     Finished/1.2: opaque verify_data[verify_data_length]
RFC 4492 5.4       ServerECDHParams: ECParameters curve_params; ECPoint public
RFC 4492 5.7       ClientECDiffieHellmanPublic: ECPoint ecdh_Yc
RFC 4492 5.1.2     ECPointFormatList: ECPointFormat ec_point_format_list<1..2^8-1>
RFC 8879 3         CertificateCompressionAlgorithms: CertificateCompressionAlgorithm algorithms<2..2^8-2>
RFC 8879 4         CompressedCertificate: CertificateCompressionAlgorithm algorithm; uint24 uncompressed_length; opaque compressed_certificate_message<1..2^24-1>
RFC 8449 4         RecordSizeLimit: uint16 RecordSizeLimit
RFC 6066 3         ServerName: NameType name_type; HostName host_name
RFC 6066 3         ServerNameList: ServerName server_name_list<1..2^16-1>
RFC 6066 8         CertificateStatusRequest: CertificateStatusType status_type; ResponderID responder_id_list<0..2^16-1>; Extensions request_extensions
RFC 6066 8         CertificateStatus: CertificateStatusType status_type; OCSPResponse response
"""  # noqa: E501

# Our table, where it does not say what the RFC says, and why.
DELIBERATE = {
    # One codec reads both versions: RFC 5246 7.4.1.2 allows extensions<0..2^16-1>, and to leave them out.
    "ClientHello": ("<7..2^16-1>", "<0..2^16-1>"),
    "ServerHello": ("<6..2^16-1>", "<0..2^16-1>"),
    # The length is that of a hash which the codec does not know; of TLS 1.2 it is always 12.
    "Finished": ("[Hash.length]", "[rest]"),
    "Finished/1.2": ("[verify_data_length]", "[12]"),
    # A list of two-byte values has no odd length; TLS 1.3 corrected the bound.
    "CertificateRequest/1.2": ("<2..2^16-1>", "<2..2^16-2>"),
    # Of ECParameters only the named curve is left (RFC 8422 5.4).
    "ServerECDHParams": ("ECParameters curve_params", "ECCurveType curve_type; NamedCurve namedcurve"),
}


def bound(text: str) -> str:
    """RFCs write 255 and 2^8-1 for the same."""
    return re.sub(r"2\^(\d+)-(\d)", lambda found: str(2 ** int(found[1]) - int(found[2])), text)


def facts() -> dict[str, list[str]]:
    found = {}
    for line in STRUCTS.strip().splitlines():
        title, _, fields = re.sub(r"^RFC \d+ \S+\s+", "", line).partition(":")
        if title in DELIBERATE:
            theirs, ours = DELIBERATE[title]
            assert theirs in fields
            fields = fields.replace(theirs, ours, 1)
        found[title] = [bound(each.strip()) for each in fields.split(";") if each.strip()]
    return found


FACTS = facts()


def ours(codec: Codec[Any]) -> list[str]:
    lines = definition(codec).splitlines()[1:-1]
    return [bound(line.strip().rstrip(";")) for line in lines]


def form_of(title: str) -> Codec[Any]:
    """The codec in the table of extensions whose struct has this name in its RFC."""
    for row in TABLE.values():
        for _, codec in row.values():
            if isinstance(codec.shape, Record) and codec.shape.title == title:
                return codec
    raise LookupError(title)


def item_of(codec: Codec[Any]) -> Codec[Any]:
    """What a struct's only list holds."""
    (vector,) = [form.shape for _, form in codec.shape.fields if isinstance(form.shape, Vector)][:1]
    return vector.item


EXTENSIONS = [
    "Cookie",
    "SignatureSchemeList",
    "CertificateAuthoritiesExtension",
    "OIDFilterExtension",
    "PostHandshakeAuth",
    "NamedGroupList",
    "KeyShareClientHello",
    "KeyShareHelloRetryRequest",
    "KeyShareServerHello",
    "PskKeyExchangeModes",
    "EarlyDataIndication",
    "OfferedPsks",
    "PreSharedKeyExtension",
    "SupportedVersions",
    "ECPointFormatList",
    "CertificateCompressionAlgorithms",
    "RecordSizeLimit",
]

OURS: dict[str, Codec[Any]] = {
    "ClientHello": hello.CLIENT_HELLO,
    "ServerHello": hello.SERVER_HELLO,
    **{title: form_of(title) for title in EXTENSIONS},
    "SupportedVersions/answer": next(
        codec
        for cls, codec in TABLE[43].values()
        if cls.__name__ == "SelectedVersion"  # type: ignore[index]
    ),
    "OIDFilter": item_of(form_of("OIDFilterExtension")),
    "KeyShareEntry": item_of(form_of("KeyShareClientHello")),
    "PskIdentity": item_of(form_of("OfferedPsks")),
    "EncryptedExtensions": tls13.ENCRYPTED_EXTENSIONS,
    "CertificateRequest": tls13.CERTIFICATE_REQUEST,
    "CertificateEntry": tls13.CERTIFICATE_ENTRY,
    "Certificate": tls13.CERTIFICATE,
    "CompressedCertificate": tls13.COMPRESSED_CERTIFICATE,
    "CertificateVerify": tls13.CERTIFICATE_VERIFY,
    "Finished": tls13.FINISHED,
    "NewSessionTicket": tls13.NEW_SESSION_TICKET,
    "KeyUpdate": tls13.KEY_UPDATE,
    "Alert": alert.ALERT,
    "HelloRequest": tls12.HELLO_REQUEST,
    "Certificate/1.2": tls12.CERTIFICATE,
    "CertificateRequest/1.2": tls12.CERTIFICATE_REQUEST,
    "ServerHelloDone": tls12.SERVER_HELLO_DONE,
    "Finished/1.2": tls12.FINISHED,
    "ServerECDHParams": tls12.SERVER_KEY,
    "ClientECDiffieHellmanPublic": tls12.CLIENT_KEY,
    "ServerName": item_of(SERVER_NAME_LIST),
    "ServerNameList": SERVER_NAME_LIST,
    "CertificateStatusRequest": STATUS_REQUEST,
    "CertificateStatus": STATUS,
}


@pytest.mark.parametrize("title", sorted(FACTS))
def test_struct_has_the_fields_of_the_rfc(title: str) -> None:
    assert ours(OURS[title]) == FACTS[title]
    assert definition(OURS[title]).rstrip(";").endswith(title.partition("/")[0])


def test_every_struct_is_compared_and_no_difference_is_left_over() -> None:
    assert FACTS.keys() == OURS.keys()
    assert DELIBERATE.keys() <= FACTS.keys()


# The names that a declaration gives to strings, in the same arrangement.
NAMED = """
RFC 9846 4.3.4     DistinguishedName<1..2^16-1>
RFC 9846 4.3.11    PskBinderEntry<32..255>
RFC 5246 7.4.2     ASN.1Cert<1..2^24-1>
RFC 6066 3         HostName<1..2^16-1>
RFC 6066 8         ResponderID<1..2^16-1>
RFC 6066 8         Extensions<0..2^16-1>
RFC 6066 8         OCSPResponse<1..2^24-1>
RFC 7301 3.1       ProtocolName<1..2^8-1>
RFC 6962 3.3       SerializedSCT<1..2^16-1>
RFC 8422 5.4       ECPoint<1..2^8-1>
"""


def strings(codec: Codec[Any]) -> dict[str, tuple[int, int]]:
    """Every named string within a codec, with its bounds."""
    found: dict[str, tuple[int, int]] = {}
    match codec.shape:
        case Record(fields=fields):
            for _, form in fields:
                found |= strings(form)
        case Vector(item=item):
            found |= strings(item)
        case Variants(choices=choices):
            for form in choices.values():
                found |= strings(form)
        case shape if hasattr(shape, "inner"):
            found |= strings(shape.inner)
        case shape if hasattr(shape, "low") and not codec.notation.startswith("opaque"):
            found[codec.notation.split()[0]] = shape.low, shape.high
    return found


def test_named_strings_have_the_bounds_of_the_rfc() -> None:
    expected = {
        line.split()[3].partition("<")[0]: tuple(
            int(each) for each in bound(line.split()[3].partition("<")[2].rstrip(">")).split("..")
        )
        for line in NAMED.strip().splitlines()
        if line
    }
    found: dict[str, tuple[int, int]] = {}
    for codec in OURS.values():
        found |= strings(codec)
    for row in TABLE.values():
        for _, codec in row.values():
            found |= strings(codec)
    assert found == expected
