"""RFC 9846 4.3: the form of every extension, where it may stand, and what it answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import wire_values
from bothways.faults import Fault
from bothways.iana import ExtensionType
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.codec import decode, encode
from bothways.tls.wire.decode_errors import DecodeError
from bothways.tls.wire.extension_table import (
    TABLE,
    ExtensionContext,
    code,
    codes,
    extension_block,
    host_names,
)
from faults import blames

BLOCKS = {context: extension_block(context) for context in ExtensionContext}

# RFC 9846 4.3, the table of extensions, in its order.
WHERE = """
server_name                             CH EE CR
status_request                          CH CR CT
supported_groups                        CH EE
signature_algorithms                    CH CR
use_srtp                                CH EE
heartbeat                               CH EE
application_layer_protocol_negotiation  CH EE
client_certificate_type                 CH EE
server_certificate_type                 CH EE
padding                                 CH
compress_certificate                    CH CR
record_size_limit                       CH EE
delegated_credential                    CH CR CT
supported_ekt_ciphers                   CH EE
pre_shared_key                          CH SH
early_data                              CH EE NST
supported_versions                      CH SH HRR
cookie                                  CH HRR
psk_key_exchange_modes                  CH
certificate_authorities                 CH CR
oid_filters                             CR
post_handshake_auth                     CH
signature_algorithms_cert               CH CR
key_share                               CH SH HRR
transparency_info                       CH CR CT
external_id_hash                        CH EE
external_session_id                     CH EE
quic_transport_parameters               CH EE
ticket_request                          CH EE
ech_outer_extensions                    CH
encrypted_client_hello                  CH HRR EE
"""
RFC_ROWS = {row.split()[0]: set(row.split()[1:]) for row in WHERE.strip().splitlines()}

# RFC 8446 4.2 has this one; RFC 9846 leaves it out since it is not "Recommended" any more.
RFC_ROWS["signed_certificate_timestamp"] = {"CH", "CR", "CT"}

# Not spoken, so not recognised: in a ClientHello they are kept as unknown, and nobody may answer with them.
NOT_SPOKEN = {
    "use_srtp",
    "heartbeat",
    "delegated_credential",
    "supported_ekt_ciphers",
    "transparency_info",
    "external_id_hash",
    "external_session_id",
    "quic_transport_parameters",
    "ticket_request",
}

# Of TLS 1.2 alone: a ClientHello for both versions may hold them, no message of TLS 1.3 answers them.
ONLY_TLS12 = {"ec_point_formats", "extended_main_secret", "session_ticket", "renegotiation_info"}

# RFC 5246 7.4.1.4 lets a ServerHello answer these, by the RFC that defines each. supported_groups is
# there because servers in the field send it (as RFC 4492 5.2 did not foresee), and OpenSSL takes it.
IN_SERVER_HELLO_12 = ONLY_TLS12 | {
    "server_name",
    "status_request",
    "supported_groups",
    "application_layer_protocol_negotiation",
    "signed_certificate_timestamp",
    "record_size_limit",
}


def test_table_is_that_of_the_rfc() -> None:
    """RFC 9846 4.3."""
    ours = {
        extension.name: {context.name for context in row if context is not ExtensionContext.SH12}
        for extension, row in TABLE.items()
        if extension.name not in ONLY_TLS12
    }
    assert ours == {name: places for name, places in RFC_ROWS.items() if name not in NOT_SPOKEN}


def test_extensions_of_tls12_stand_in_both_hellos_of_tls12_alone() -> None:
    """RFC 5246 7.4.1.4."""
    for extension, row in TABLE.items():
        if extension.name in ONLY_TLS12:
            assert set(row) == {ExtensionContext.CH, ExtensionContext.SH12}
        assert (ExtensionContext.SH12 in row) == (extension.name in IN_SERVER_HELLO_12)


CH, SH, SH12, HRR, EE, CT, CR, NST = ExtensionContext

# Bodies written out by hand from the RFC that defines each.
BODIES = [
    (CH, ext.ServerName("a.example"), 0, "000c 00 0009 612e6578616d706c65"),
    (EE, ext.ServerName(), 0, ""),
    (SH12, ext.ServerName(), 0, ""),
    (CH, ext.StatusRequest(), 5, "01 0000 0000"),
    (CH, ext.StatusRequest((b"ab",), b"c"), 5, "01 0004 0002 6162 0001 63"),
    (CR, ext.EmptyStatusRequest(), 5, ""),
    (SH12, ext.EmptyStatusRequest(), 5, ""),
    (CT, ext.CertificateStatus(b"ocsp"), 5, "01 000004 6f637370"),
    (CH, ext.SupportedGroups((0x11EC, 29)), 10, "0004 11ec 001d"),
    (EE, ext.SupportedGroups((29,)), 10, "0002 001d"),
    (CH, ext.EcPointFormats((0,)), 11, "01 00"),
    (CH, ext.SignatureAlgorithms((0x0403,)), 13, "0002 0403"),
    (CR, ext.SignatureAlgorithms((0x0403, 0x0804)), 13, "0004 0403 0804"),
    (CH, ext.ApplicationProtocols((b"h2", b"http/1.1")), 16, "000c 02 6832 08 687474702f312e31"),
    (CH, ext.TimestampRequest(), 18, ""),
    (CT, ext.SignedCertificateTimestamps((b"sct",)), 18, "0005 0003 736374"),
    (CH, ext.ClientCertificateTypes((2, 0)), 19, "02 02 00"),
    (EE, ext.ClientCertificateType(2), 19, "02"),
    (CH, ext.ServerCertificateTypes((2,)), 20, "01 02"),
    (EE, ext.ServerCertificateType(0), 20, "00"),
    (CH, ext.Padding(bytes(3)), 21, "000000"),
    (CH, ext.ExtendedMainSecret(), 23, ""),
    (CH, ext.CompressCertificate((1, 3)), 27, "04 0001 0003"),
    (EE, ext.RecordSizeLimit(16385), 28, "4001"),
    (CH, ext.SessionTicket(), 35, ""),
    (CH, ext.SessionTicket(b"t"), 35, "74"),
    (
        CH,
        ext.PreSharedKeys((ext.PskIdentity(b"id", 7),), (bytes(32),)),
        41,
        "0008 0002 6964 00000007 0021 20" + "00" * 32,
    ),
    (SH, ext.SelectedIdentity(1), 41, "0001"),
    (CH, ext.EarlyDataIndication(), 42, ""),
    (EE, ext.EarlyDataIndication(), 42, ""),
    (NST, ext.MaxEarlyData(2**32 - 1), 42, "ffffffff"),
    (CH, ext.SupportedVersions((0x0304, 0x0303)), 43, "04 0304 0303"),
    (SH, ext.SelectedVersion(0x0304), 43, "0304"),
    (HRR, ext.SelectedVersion(0x0304), 43, "0304"),
    (HRR, ext.Cookie(b"c"), 44, "0001 63"),
    (CH, ext.Cookie(b"c"), 44, "0001 63"),
    (CH, ext.PskKeyExchangeModes((1,)), 45, "01 01"),
    (CR, ext.CertificateAuthorities((b"\x30\x00",)), 47, "0004 0002 3000"),
    (CR, ext.OidFilters((ext.OidFilter(b"\x06\x01\x2a", b"v"),)), 48, "0007 03 06012a 0001 76"),
    (CR, ext.OidFilters(()), 48, "0000"),
    (CH, ext.PostHandshakeAuth(), 49, ""),
    (CR, ext.SignatureAlgorithmsCert((0x0403,)), 50, "0002 0403"),
    (CH, ext.KeyShares(()), 51, "0000"),
    (CH, ext.KeyShares((ext.KeyShareEntry(29, b"k"),)), 51, "0005 001d 0001 6b"),
    (SH, ext.ServerShare(ext.KeyShareEntry(29, b"k")), 51, "001d 0001 6b"),
    (HRR, ext.RetryGroup(23), 51, "0017"),
    (CH, ext.OuterExtensions((51, 10)), 0xFD00, "04 0033 000a"),
    (
        CH,
        ext.EncryptedClientHello(0, 1, 3, 7, b"enc", b"payload"),
        0xFE0D,
        "00 0001 0003 07 0003 656e63 0007 7061796c6f6164",
    ),
    (CH, ext.EncryptedClientHello(1), 0xFE0D, "01"),
    (CH, ext.UnknownExtension(0xFE0D, b"\2x"), 0xFE0D, "02 78"),
    (
        EE,
        ext.RetryConfigs((ext.ECHConfigEntry(0xFE0D, b"contents"), ext.ECHConfigEntry(0xFE0E, b""))),
        0xFE0D,
        "0010 fe0d 0008 636f6e74656e7473 fe0e 0000",
    ),
    (HRR, ext.RetryConfirmation(b"confirm!"), 0xFE0D, "636f6e6669726d21"),
    (CH, ext.RenegotiationInfo(), 0xFF01, "00"),
    (SH12, ext.RenegotiationInfo(b"r"), 0xFF01, "01 72"),
    (CH, ext.UnknownExtension(0x0A0A, b"x"), 0x0A0A, "78"),
]


@pytest.mark.parametrize(("context", "extension", "extension_type", "body"), BODIES)
def test_extension_has_the_form_of_its_rfc(
    context: ExtensionContext, extension: ext.Extension, extension_type: int, body: str
) -> None:
    form = bytes.fromhex(body)
    header = extension_type.to_bytes(2, "big") + len(form).to_bytes(2, "big")
    block = (len(form) + 4).to_bytes(2, "big") + header + form
    assert encode(BLOCKS[context], (extension,)) == block
    assert decode(BLOCKS[context], block, "it") == (extension,)
    assert code(extension) == extension_type


def test_every_row_of_the_table_has_a_body_above() -> None:
    shown = {(context, code) for context, _, code, _ in BODIES}
    for extension, row in TABLE.items():
        assert any((context, extension) in shown for context in row), extension.name
        for cls, _ in row.values():
            assert any(isinstance(each, cls) for _, each, _, _ in BODIES), cls.__name__


@wire_values.SAMPLE
@given(st.data())
@pytest.mark.parametrize("context", list(ExtensionContext))
def test_extensions_read_what_they_write(context: ExtensionContext, data: st.DataObject) -> None:
    block = BLOCKS[context]
    drawn_extensions = data.draw(wire_values.values(block))
    assert decode(block, encode(block, drawn_extensions), "it") == drawn_extensions


def in_block(extension_type: int, body: str) -> bytes:
    form = bytes.fromhex(body)
    header = extension_type.to_bytes(2, "big") + len(form).to_bytes(2, "big")
    return (len(form) + 4).to_bytes(2, "big") + header + form


BROKEN = [
    (CH, 0, "", "it.server_name.server_name_list", "2 bytes must stand here"),
    (CH, 0, "0000", "it.server_name.server_name_list", "length 0 is not within"),
    (CH, 0, "0003 00 0000", "it.server_name.server_name_list[0].host_name", "length 0 is not within"),
    (CH, 0, "0005 00 0001 61", "it.server_name.server_name_list", "length 5 runs past the end by 1"),
    (EE, 0, "00", "it.server_name", "1 bytes are left over"),
    (CH, 5, "", "it.status_request.status_type", "1 bytes must stand here"),
    (CH, 5, "01 0000 0000 00", "it.status_request", "1 bytes are left over"),
    (CH, 5, "01 0002 0000 0000", "it.status_request.responder_id_list[0]", "length 0 is not within"),
    (CT, 5, "01 000000", "it.status_request.response", "length 0 is not within"),
    (CT, 5, "02 000001 00", "it.status_request", "status type ocsp_multi_RESERVED is not the ocsp asked for"),
    (CR, 5, "01", "it.status_request", "1 bytes are left over"),
    (CH, 10, "0000", "it.supported_groups.groups", "length 0 is not within"),
    (CH, 10, "0001 00", "it.supported_groups.groups", "length 1 is not within"),
    (CH, 10, "0003 000000", "it.supported_groups.groups", "length 3 is not a multiple of 2"),
    (CH, 16, "0001 00", "it.application_layer_protocol_negotiation.protocols", "length 1 is not within"),
    (CH, 16, "0002 0000", "it.application_layer_protocol_negotiation.protocols[0]", "length 0 is not within"),
    (CH, 23, "00", "it.extended_main_secret", "1 bytes are left over"),
    (
        CH,
        41,
        "0007 0000 00000000 0021 20" + "00" * 32,
        "it.pre_shared_key.identities[0].identity",
        "length 0",
    ),
    (CH, 41, "0007 0001 61 00000000 0020 1f" + "00" * 31, "it.pre_shared_key.binders", "length 32"),
    (CH, 43, "00", "it.supported_versions.versions", "length 0 is not within"),
    (CH, 43, "03 030400", "it.supported_versions.versions", "length 3 is not a multiple of 2"),
    (SH, 43, "03", "it.supported_versions.version", "2 bytes must stand here"),
    (SH, 43, "030400", "it.supported_versions", "1 bytes are left over"),
    (HRR, 44, "0000", "it.cookie.cookie", "length 0 is not within"),
    (CH, 45, "00", "it.psk_key_exchange_modes.modes", "length 0 is not within"),
    (CR, 47, "0002 0000", "it.certificate_authorities.authorities", "length 2 is not within"),
    (CR, 48, "0003 00 0000", "it.oid_filters.filters[0].oid", "length 0 is not within"),
    (CH, 51, "0004 001d 0000", "it.key_share.shares[0].key_exchange", "length 0 is not within"),
    (SH, 51, "001d 0002 61", "it.key_share.entry.key_exchange", "length 2 runs past the end by 1"),
    (HRR, 51, "001d 0001 61", "it.key_share", "3 bytes are left over"),
    (CH, 0xFF01, "0100 00", "it.renegotiation_info", "1 bytes are left over"),
]


@pytest.mark.parametrize(("context", "extension_type", "body", "where", "problem"), BROKEN)
def test_malformed_extension_is_refused_by_name(
    context: ExtensionContext, extension_type: int, body: str, where: str, problem: str
) -> None:
    """RFC 9846 4.3: leftovers and lengths that do not fit are a decode_error."""
    with pytest.raises(DecodeError) as caught:
        decode(BLOCKS[context], in_block(extension_type, body), "it")
    assert caught.value.facts["place"] == where
    assert problem in str(caught.value.facts["problem"])


@pytest.mark.parametrize(
    ("block", "where", "problem"),
    [
        ("", "it", "2 bytes must stand here and 0 do (offset 0)"),
        ("0004", "it", "length 4 runs past the end by 4 (offset 0)"),
        ("0003 000000", "it[0]", "4 bytes must stand here and 3 do (offset 2)"),
        ("0006 0a0a0002 0000 00", "it", "1 bytes are left over (offset 8)"),
        ("0004 0a0a0001", "it.GREASE 0x0a0a", "length 1 runs past the end by 1 (offset 4)"),
        ("0005 0a0a0000 00", "it[1]", "4 bytes must stand here and 1 do (offset 6)"),
    ],
)
def test_malformed_block_is_refused(block: str, where: str, problem: str) -> None:
    with blames(Fault.UNDECODABLE, place=where, problem=problem):
        decode(BLOCKS[CH], bytes.fromhex(block), "it")


@pytest.mark.parametrize(
    ("context", "extension_type", "body"),
    [
        (CH, 0, "0004 01 0001 61"),  # a name of another type than host_name
        (CH, 0, "0008 00 0001 61 00 0001 62"),  # two host names
        (CH, 0, "0008 00 0001 61 01 0001 62"),
        (CH, 0, "0004 00 0001 ff"),  # not ASCII
        (CH, 5, "02 0000"),  # the status_request_v2 of RFC 6961 under this code
        (CH, 0x0A0A, ""),
        (CH, 0xFE0D, "02"),
        (NST, 0x1A1A, "00"),
        (SH, 10, "00"),  # known, but not here: placement refuses it, not the codec
    ],
)
def test_extensions_of_unknown_form_are_kept_unchanged(
    context: ExtensionContext, extension_type: int, body: str
) -> None:
    """RFC 9846 4.3 and RFC 8701: unknown extensions are kept and ignored."""
    block = in_block(extension_type, body)
    assert decode(BLOCKS[context], block, "it") == (
        ext.UnknownExtension(extension_type, bytes.fromhex(body)),
    )
    assert encode(BLOCKS[context], decode(BLOCKS[context], block, "it")) == block


@pytest.mark.parametrize(
    ("context", "extension"),
    [
        (CH, ext.ServerName(None)),
        (CH, ext.ServerName("")),
        (CH, ext.ServerName("ä.example")),
        (EE, ext.ServerName("a.example")),
        (EE, ext.KeyShares(())),
        (CH, ext.SupportedGroups(())),
        (CH, ext.UnknownExtension(1, bytes(2**16))),
    ],
)
def test_extension_that_may_not_be_sent_cannot_be_written(
    context: ExtensionContext, extension: ext.Extension
) -> None:
    with pytest.raises(ValueError):
        encode(BLOCKS[context], (extension,))


@pytest.mark.parametrize(
    ("data", "hosts"),
    [
        ("0008 00 0001 61 00 0001 62", (b"a", b"b")),
        ("0008 01 0001 61 00 0001 62", (b"b",)),
        ("0004 01 0001 61", ()),
        ("0003 01 0000", ()),
        ("0001 01", ()),
        ("", ()),
    ],
)
def test_host_names_are_found_among_names_of_other_types(data: str, hosts: tuple[bytes, ...]) -> None:
    """RFC 6066 3."""
    assert host_names(bytes.fromhex(data)) == hosts


def test_more_host_names_than_there_are_types_are_not_read() -> None:
    """RFC 6066 3: one name of each type; whether as one list or behind a name of an unknown type."""
    many = b"\0\0\1a" * 257
    for names in (many, b"\1" + many[1:]):
        data = len(names).to_bytes(2, "big") + names
        with blames(Fault.UNDECODABLE, place="server_name.server_name_list[256]"):
            host_names(data)


@pytest.mark.parametrize(
    "context",
    [
        ExtensionContext.CH,
        ExtensionContext.SH,
        ExtensionContext.EE,
        ExtensionContext.CT,
        ExtensionContext.CR,
        ExtensionContext.NST,
    ],
)
def test_more_extensions_than_anybody_sends_are_not_read(context: ExtensionContext) -> None:
    """Bounded work: one takes four bytes, and reading it longer than they are worth."""
    block = extension_block(context)
    many = b"".join((0x4000 + number).to_bytes(2, "big") + b"\0\0" for number in range(257))
    assert len(decode(block, (len(many) - 4).to_bytes(2, "big") + many[:-4], "it")) == 256
    with blames(Fault.UNDECODABLE, place="it[256]", problem="more than 256 items stand here"):
        decode(block, len(many).to_bytes(2, "big") + many, "it")


def test_code_points_of_several_extensions() -> None:
    found = (ext.Cookie(b"c"), ext.PostHandshakeAuth())
    assert codes(found) == {ExtensionType.cookie, ExtensionType.post_handshake_auth}
    assert codes(None) == frozenset()
