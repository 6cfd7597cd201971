"""The codec of every extension in each message that may contain it.

Unknown extensions are kept as bytes. `check_placement` checks which extension is allowed where, and what it answers;
RFC 9846 4.3 has the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from enum import Enum
from struct import Struct
from typing import Any

from bothways.iana import (
    CertificateCompressionAlgorithm,
    CertificateStatusType,
    CertificateType,
    ECHClientHelloType,
    ECPointFormat,
    ExtensionType,
    HpkeAead,
    HpkeKdf,
    NamedGroup,
    NameType,
    ProtocolVersion,
    PskKeyExchangeMode,
    SignatureScheme,
    name,
)
from bothways.tls.wire.codec import Codec, Custom, Variants, bounds, decode
from bothways.tls.wire.decode_errors import (
    DecodeError,
    TooManyItems,
    bad_length,
    fail,
    field_too_short,
    too_many,
    trailing_bytes,
)
from bothways.tls.wire.extensions import (
    ApplicationProtocols,
    CertificateAuthorities,
    CertificateStatus,
    ClientCertificateType,
    ClientCertificateTypes,
    CompressCertificate,
    Cookie,
    EarlyDataIndication,
    ECHConfigEntry,
    EcPointFormats,
    EmptyStatusRequest,
    EncryptedClientHello,
    ExtendedMainSecret,
    Extension,
    Extensions,
    KeyShareEntry,
    KeyShares,
    MaxEarlyData,
    OidFilter,
    OidFilters,
    OuterExtensions,
    Padding,
    PostHandshakeAuth,
    PreSharedKeys,
    PskIdentity,
    PskKeyExchangeModes,
    RecordSizeLimit,
    RenegotiationInfo,
    RetryConfigs,
    RetryConfirmation,
    RetryGroup,
    SelectedIdentity,
    SelectedVersion,
    ServerCertificateType,
    ServerCertificateTypes,
    ServerName,
    ServerShare,
    SessionTicket,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
    SignedCertificateTimestamps,
    StatusRequest,
    SupportedGroups,
    SupportedVersions,
    TimestampRequest,
    UnknownExtension,
)
from bothways.tls.wire.fields import (
    MOST_ITEMS,
    cached,
    close,
    fixed,
    opaque,
    record,
    rest,
    single_field,
    uint,
    vector,
)

# The number of registered extensions, and as many unregistered ones; GREASE alone has sixteen.
MOST_EXTENSIONS = 256
# Of an encrypted ClientHello; servers have one or two, and a client has to compute something for each.
MOST_ECH_CONFIGS = 16
_read_header = Struct(">HH").unpack_from
_write_length = Struct(">H").pack_into


class ExtensionContext(Enum):
    """The messages with extensions. A ServerHello of TLS 1.2 may have others than one of TLS 1.3."""

    CH = "ClientHello"
    SH = "ServerHello"
    SH12 = "ServerHello of TLS 1.2"
    HRR = "HelloRetryRequest"
    EE = "EncryptedExtensions"
    CT = "Certificate"
    CR = "CertificateRequest"
    NST = "NewSessionTicket"

    __hash__ = object.__hash__  # faster than the __hash__ of Enum, which is a Python function


# -- codecs ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _HostName:
    name_type: int
    host_name: bytes


@dataclass(frozen=True, slots=True)
class _ServerNameList:
    server_name_list: tuple[_HostName, ...]


@dataclass(frozen=True, slots=True)
class _Status:
    status_type: int
    response: bytes


@dataclass(frozen=True, slots=True)
class _StatusQuestion:
    status_type: int
    responder_id_list: tuple[bytes, ...]
    request_extensions: bytes


SERVER_NAME_LIST = single_field(
    _ServerNameList,
    title="ServerNameList",
    server_name_list=vector(
        record(
            _HostName,
            title="ServerName",
            name_type=uint(1, NameType),
            host_name=opaque(1, 2**16 - 1, title="HostName"),
        ),
        1,
        2**16 - 1,
        most=2**8,  # at most one of each type (RFC 6066 3)
    ),
)


def _server_name() -> Codec[Any]:
    """The single host name that RFC 6066 3 allows. Any other list is kept as bytes: see `host_names`."""

    def read(data: bytes, at: int, end: int) -> tuple[Extension, int]:
        fills = int.from_bytes(data[at : at + 2], "big") == end - at - 2
        if data[at + 2 : min(at + 3, end)] > b"\0" and fills:
            return UnknownExtension(ExtensionType.server_name, data[at:end]), end
        names, stop = SERVER_NAME_LIST.read(data, at, end)
        first = names.server_name_list[0].host_name
        if len(names.server_name_list) > 1 or not first.isascii():
            return UnknownExtension(ExtensionType.server_name, data[at:stop]), stop
        return ServerName(first.decode("ascii")), stop

    def write(value: ServerName, out: bytearray) -> None:
        if value.host_name is None:
            raise ValueError("a client's server_name needs a name")
        SERVER_NAME_LIST.write(_ServerNameList((_HostName(0, value.host_name.encode("ascii")),)), out)

    return Codec(read, write, SERVER_NAME_LIST.notation, Custom(SERVER_NAME_LIST))


def host_names(data: bytes) -> tuple[bytes, ...]:
    """Return the host names in a server_name extension (RFC 6066 3).

    Undefined name types begin with a length too; a list that does not have this form contains no host names. Raises
    `TooManyItems` for more names than there are types.
    """
    try:
        names = decode(SERVER_NAME_LIST, data, "server_name")
    except TooManyItems:
        raise
    except DecodeError:
        return ()
    return tuple(each.host_name for each in names.server_name_list if each.name_type == NameType.host_name)


def _server_name_answer() -> Codec[Any]:
    """The empty server_name with which a server confirms that it used the name (RFC 6066 3)."""

    def read(_data: bytes, at: int, _end: int) -> tuple[ServerName, int]:
        return ServerName(None), at

    def write(value: ServerName, _out: bytearray) -> None:
        if value.host_name is not None:
            raise ValueError("a server's server_name is empty")

    return Codec(read, write, "Empty {}", Custom(rest()))


_OCSP_RESPONSE = opaque(1, 2**24 - 1, title="OCSPResponse")
_RESPONDER_IDS = vector(opaque(1, 2**16 - 1, title="ResponderID"), 0, 2**16 - 1)
_REQUEST_EXTENSIONS = opaque(0, 2**16 - 1, title="Extensions")
STATUS = record(
    _Status,
    title="CertificateStatus",
    status_type=uint(1, CertificateStatusType),
    response=_OCSP_RESPONSE,
)
STATUS_REQUEST = record(
    _StatusQuestion,
    title="CertificateStatusRequest",
    status_type=uint(1, CertificateStatusType),
    responder_id_list=_RESPONDER_IDS,
    request_extensions=_REQUEST_EXTENSIONS,
)


def _ocsp_request() -> Codec[Any]:
    """A status_request for OCSP; the form of other status types is not defined (RFC 6066 8)."""

    def read(data: bytes, at: int, end: int) -> tuple[Extension, int]:
        if at < end and data[at] != CertificateStatusType.ocsp:
            return UnknownExtension(ExtensionType.status_request, data[at:end]), end
        asked, at = STATUS_REQUEST.read(data, at, end)
        return StatusRequest(asked.responder_id_list, asked.request_extensions), at

    def write(value: StatusRequest, out: bytearray) -> None:
        asked = _StatusQuestion(CertificateStatusType.ocsp, value.responder_ids, value.request_extensions)
        STATUS_REQUEST.write(asked, out)

    fields = (("responder_ids", _RESPONDER_IDS), ("request_extensions", _REQUEST_EXTENSIONS))
    return Codec(read, write, STATUS_REQUEST.notation, Custom(STATUS_REQUEST, fields))


def _ocsp_answer() -> Codec[CertificateStatus]:
    """An OCSP response, the only status type that is requested (RFC 6066 8)."""

    def read(data: bytes, at: int, end: int) -> tuple[CertificateStatus, int]:
        status, at = STATUS.read(data, at, end)
        if status.status_type != CertificateStatusType.ocsp:
            fail(f"status type {name(CertificateStatusType, status.status_type)} is not the ocsp asked for")
        return CertificateStatus(status.response), at

    def write(value: CertificateStatus, out: bytearray) -> None:
        STATUS.write(_Status(CertificateStatusType.ocsp, value.response), out)

    return Codec(read, write, STATUS.notation, Custom(STATUS, (("response", _OCSP_RESPONSE),)))


CERTIFICATE_STATUS = _ocsp_answer()
_SERVER_NAME = cached(_server_name())
_SERVER_NAME_ANSWER = _server_name_answer()
_STATUS_REQUEST = cached(_ocsp_request())
_EMPTY_STATUS_REQUEST = record(EmptyStatusRequest, title="Empty")
_SUPPORTED_GROUPS = cached(
    single_field(
        SupportedGroups,
        title="NamedGroupList",
        spelled="named_group_list",
        groups=vector(uint(2, NamedGroup), 2, 2**16 - 1, most=MOST_ITEMS),  # compared by a test
    )
)
_EC_POINT_FORMATS = cached(
    single_field(
        EcPointFormats,
        title="ECPointFormatList",
        spelled="ec_point_format_list",
        formats=vector(uint(1, ECPointFormat), 1, 2**8 - 1),
    )
)
_SCHEMES = vector(uint(2, SignatureScheme), 2, 2**16 - 2)
_SIGNATURE_ALGORITHMS = cached(
    single_field(
        SignatureAlgorithms,
        title="SignatureSchemeList",
        spelled="supported_signature_algorithms",
        schemes=_SCHEMES,
    )
)
_SIGNATURE_ALGORITHMS_CERT = cached(
    single_field(
        SignatureAlgorithmsCert,
        title="SignatureSchemeList",
        spelled="supported_signature_algorithms",
        schemes=_SCHEMES,
    )
)
_APPLICATION_PROTOCOLS = cached(
    single_field(
        ApplicationProtocols,
        title="ProtocolNameList",
        spelled="protocol_name_list",
        protocols=vector(opaque(1, 2**8 - 1, title="ProtocolName"), 2, 2**16 - 1),
    )
)
_CERTIFICATE_TYPES = vector(uint(1, CertificateType), 1, 2**8 - 1)
_CLIENT_TYPES = single_field(
    ClientCertificateTypes,
    title="ClientCertTypeExtension",
    spelled="client_certificate_types",
    types=_CERTIFICATE_TYPES,
)
_CLIENT_TYPE = single_field(
    ClientCertificateType,
    title="ClientCertTypeExtension",
    spelled="client_certificate_type",
    type=uint(1, CertificateType),
)
_SERVER_TYPES = single_field(
    ServerCertificateTypes,
    title="ServerCertTypeExtension",
    spelled="server_certificate_types",
    types=_CERTIFICATE_TYPES,
)
_SERVER_TYPE = single_field(
    ServerCertificateType,
    title="ServerCertTypeExtension",
    spelled="server_certificate_type",
    type=uint(1, CertificateType),
)
_TIMESTAMP_REQUEST = record(TimestampRequest, title="Empty")
_TIMESTAMPS = single_field(
    SignedCertificateTimestamps,
    title="SignedCertificateTimestampList",
    spelled="sct_list",
    timestamps=vector(opaque(1, 2**16 - 1, title="SerializedSCT"), 1, 2**16 - 1),
)
_PADDING = single_field(Padding, data=rest())
_EXTENDED_MAIN_SECRET = record(ExtendedMainSecret, title="Empty")
_COMPRESS_CERTIFICATE = single_field(
    CompressCertificate,
    title="CertificateCompressionAlgorithms",
    algorithms=vector(uint(2, CertificateCompressionAlgorithm), 2, 2**8 - 2),
)
_RECORD_SIZE_LIMIT = single_field(
    RecordSizeLimit, title="RecordSizeLimit", spelled="RecordSizeLimit", limit=uint(2)
)
_SESSION_TICKET = single_field(SessionTicket, ticket=rest())
_NO_TICKET = single_field(SessionTicket, ticket=fixed(0))  # a server announces one by nothing (RFC 5077 3.2)
_PRE_SHARED_KEYS = record(
    PreSharedKeys,
    title="OfferedPsks",
    identities=vector(
        record(PskIdentity, identity=opaque(1, 2**16 - 1), obfuscated_ticket_age=uint(4)), 7, 2**16 - 1
    ),
    binders=vector(opaque(32, 255, title="PskBinderEntry"), 33, 2**16 - 1),
)
_SELECTED_IDENTITY = single_field(
    SelectedIdentity, title="PreSharedKeyExtension", spelled="selected_identity", index=uint(2)
)
_EARLY_DATA = record(EarlyDataIndication, title="Empty")
_MAX_EARLY_DATA = single_field(
    MaxEarlyData, title="EarlyDataIndication", spelled="max_early_data_size", size=uint(4)
)
_SUPPORTED_VERSIONS = cached(
    single_field(SupportedVersions, versions=vector(uint(2, ProtocolVersion), 2, 254))
)
_SELECTED_VERSION = single_field(
    SelectedVersion, title="SupportedVersions", spelled="selected_version", version=uint(2, ProtocolVersion)
)
_COOKIE = single_field(Cookie, cookie=opaque(1, 2**16 - 1))
_PSK_MODES = single_field(
    PskKeyExchangeModes, spelled="ke_modes", modes=vector(uint(1, PskKeyExchangeMode), 1, 255)
)
_AUTHORITIES = single_field(
    CertificateAuthorities,
    title="CertificateAuthoritiesExtension",
    authorities=vector(opaque(1, 2**16 - 1, title="DistinguishedName"), 3, 2**16 - 1),
)
_OID_FILTERS = single_field(
    OidFilters,
    title="OIDFilterExtension",
    filters=vector(
        record(
            OidFilter,
            title="OIDFilter",
            spelled={"oid": "certificate_extension_oid", "values": "certificate_extension_values"},
            oid=opaque(1, 2**8 - 1),
            values=opaque(0, 2**16 - 1),
        ),
        0,
        2**16 - 1,
    ),
)
_POST_HANDSHAKE_AUTH = record(PostHandshakeAuth)
_KEY_SHARE_ENTRY = record(KeyShareEntry, group=uint(2, NamedGroup), key_exchange=opaque(1, 2**16 - 1))
_KEY_SHARES = single_field(
    KeyShares,
    title="KeyShareClientHello",
    spelled="client_shares",
    shares=vector(_KEY_SHARE_ENTRY, 0, 2**16 - 1),
)
_SERVER_SHARE = single_field(
    ServerShare, title="KeyShareServerHello", spelled="server_share", entry=_KEY_SHARE_ENTRY
)
_RETRY_GROUP = single_field(
    RetryGroup, title="KeyShareHelloRetryRequest", spelled="selected_group", group=uint(2, NamedGroup)
)


@dataclass(frozen=True, slots=True)
class _OuterHello:
    kdf: int
    aead: int
    config_id: int
    enc: bytes
    payload: bytes


OUTER_HELLO = record(
    _OuterHello,
    title="ECHClientHello",
    spelled={"kdf": "kdf_id", "aead": "aead_id"},
    kdf=uint(2, HpkeKdf),
    aead=uint(2, HpkeAead),
    config_id=uint(1),
    enc=opaque(0, 2**16 - 1),
    payload=opaque(1, 2**16 - 1),
)
_HELLO_TYPE = uint(1, ECHClientHelloType)


def _encrypted_client_hello() -> Codec[Any]:
    """The two forms in a ClientHello; an undefined one is kept as bytes (RFC 9849 5)."""

    def read(data: bytes, at: int, end: int) -> tuple[Extension, int]:
        kind, after = _HELLO_TYPE.read(data, at, end)
        if kind == ECHClientHelloType.inner:
            return EncryptedClientHello(kind), after
        if kind != ECHClientHelloType.outer:
            return UnknownExtension(ExtensionType.encrypted_client_hello, data[at:end]), end
        outer, at = OUTER_HELLO.read(data, after, end)
        return EncryptedClientHello(kind, *astuple(outer)), at

    def write(value: EncryptedClientHello, out: bytearray) -> None:
        _HELLO_TYPE.write(value.kind, out)
        if value.kind == ECHClientHelloType.outer:
            outer = _OuterHello(value.kdf, value.aead, value.config_id, value.enc, value.payload)
            OUTER_HELLO.write(outer, out)

    return Codec(read, write, OUTER_HELLO.notation, Custom(OUTER_HELLO))


_ENCRYPTED_CLIENT_HELLO = _encrypted_client_hello()
_OUTER_EXTENSIONS = single_field(OuterExtensions, types=vector(uint(2, ExtensionType), 2, 254))
ECH_CONFIG = record(
    ECHConfigEntry,
    title="ECHConfig",
    version=uint(2),
    contents=opaque(0, 2**16 - 1),
)
_RETRY_CONFIGS = single_field(
    RetryConfigs,
    title="ECHEncryptedExtensions",
    spelled="retry_configs",
    configs=vector(ECH_CONFIG, 4, 2**16 - 1, most=MOST_ECH_CONFIGS),
)
_RETRY_CONFIRMATION = single_field(RetryConfirmation, title="ECHHelloRetryRequest", confirmation=fixed(8))
_RENEGOTIATION_INFO = single_field(RenegotiationInfo, renegotiated_connection=opaque(0, 255))

_CH, _SH, _SH12, _HRR, _EE, _CT, _CR, _NST = ExtensionContext
_X = ExtensionType

# Each row has, for every message that may contain the extension, its class and its codec there.
TABLE: Mapping[ExtensionType, Mapping[ExtensionContext, tuple[type[Any], Codec[Any]]]] = {
    _X.server_name: {
        _CH: (ServerName, _SERVER_NAME),
        _EE: (ServerName, _SERVER_NAME_ANSWER),
        _CR: (ServerName, _SERVER_NAME),
        _SH12: (ServerName, _SERVER_NAME_ANSWER),
    },
    _X.status_request: {
        _CH: (StatusRequest, _STATUS_REQUEST),
        _CR: (EmptyStatusRequest, _EMPTY_STATUS_REQUEST),
        _CT: (CertificateStatus, CERTIFICATE_STATUS),
        _SH12: (EmptyStatusRequest, _EMPTY_STATUS_REQUEST),
    },
    _X.supported_groups: dict.fromkeys((_CH, _EE, _SH12), (SupportedGroups, _SUPPORTED_GROUPS)),
    _X.ec_point_formats: dict.fromkeys((_CH, _SH12), (EcPointFormats, _EC_POINT_FORMATS)),
    _X.signature_algorithms: dict.fromkeys((_CH, _CR), (SignatureAlgorithms, _SIGNATURE_ALGORITHMS)),
    _X.application_layer_protocol_negotiation: dict.fromkeys(
        (_CH, _EE, _SH12), (ApplicationProtocols, _APPLICATION_PROTOCOLS)
    ),
    _X.signed_certificate_timestamp: {
        _CH: (TimestampRequest, _TIMESTAMP_REQUEST),
        _CR: (TimestampRequest, _TIMESTAMP_REQUEST),
        _CT: (SignedCertificateTimestamps, _TIMESTAMPS),
        _SH12: (SignedCertificateTimestamps, _TIMESTAMPS),
    },
    _X.client_certificate_type: {
        _CH: (ClientCertificateTypes, _CLIENT_TYPES),
        _EE: (ClientCertificateType, _CLIENT_TYPE),
    },
    _X.server_certificate_type: {
        _CH: (ServerCertificateTypes, _SERVER_TYPES),
        _EE: (ServerCertificateType, _SERVER_TYPE),
    },
    _X.padding: {_CH: (Padding, _PADDING)},
    _X.extended_main_secret: dict.fromkeys((_CH, _SH12), (ExtendedMainSecret, _EXTENDED_MAIN_SECRET)),
    _X.compress_certificate: dict.fromkeys((_CH, _CR), (CompressCertificate, _COMPRESS_CERTIFICATE)),
    _X.record_size_limit: dict.fromkeys((_CH, _EE, _SH12), (RecordSizeLimit, _RECORD_SIZE_LIMIT)),
    _X.session_ticket: {_CH: (SessionTicket, _SESSION_TICKET), _SH12: (SessionTicket, _NO_TICKET)},
    _X.pre_shared_key: {
        _CH: (PreSharedKeys, _PRE_SHARED_KEYS),
        _SH: (SelectedIdentity, _SELECTED_IDENTITY),
    },
    _X.early_data: {
        _CH: (EarlyDataIndication, _EARLY_DATA),
        _EE: (EarlyDataIndication, _EARLY_DATA),
        _NST: (MaxEarlyData, _MAX_EARLY_DATA),
    },
    _X.supported_versions: {
        _CH: (SupportedVersions, _SUPPORTED_VERSIONS),
        _SH: (SelectedVersion, _SELECTED_VERSION),
        _HRR: (SelectedVersion, _SELECTED_VERSION),
    },
    _X.cookie: dict.fromkeys((_CH, _HRR), (Cookie, _COOKIE)),
    _X.psk_key_exchange_modes: {_CH: (PskKeyExchangeModes, _PSK_MODES)},
    _X.certificate_authorities: dict.fromkeys((_CH, _CR), (CertificateAuthorities, _AUTHORITIES)),
    _X.oid_filters: {_CR: (OidFilters, _OID_FILTERS)},
    _X.post_handshake_auth: {_CH: (PostHandshakeAuth, _POST_HANDSHAKE_AUTH)},
    _X.signature_algorithms_cert: dict.fromkeys(
        (_CH, _CR), (SignatureAlgorithmsCert, _SIGNATURE_ALGORITHMS_CERT)
    ),
    _X.key_share: {
        _CH: (KeyShares, _KEY_SHARES),
        _SH: (ServerShare, _SERVER_SHARE),
        _HRR: (RetryGroup, _RETRY_GROUP),
    },
    _X.ech_outer_extensions: {_CH: (OuterExtensions, _OUTER_EXTENSIONS)},
    _X.encrypted_client_hello: {
        _CH: (EncryptedClientHello, _ENCRYPTED_CLIENT_HELLO),
        _HRR: (RetryConfirmation, _RETRY_CONFIRMATION),
        _EE: (RetryConfigs, _RETRY_CONFIGS),
    },
    _X.renegotiation_info: dict.fromkeys((_CH, _SH12), (RenegotiationInfo, _RENEGOTIATION_INFO)),
}

CODES: Mapping[type[Any], int] = {
    cls: int(extension_type) for extension_type, row in TABLE.items() for cls, _ in row.values()
}


def extension_block(*contexts: ExtensionContext, low: int = 0) -> Codec[Extensions]:
    """The extensions of a message (RFC 9846 4.3), with their codecs in `contexts`.

    An extension without a codec there is decoded as unknown; `check_placement` then refuses it.
    """
    high = 2**16 - 1
    forms = {
        int(extension_type): row[context]
        for extension_type, row in TABLE.items()
        for context in contexts
        if context in row
    }
    reads = {extension_type: codec.read for extension_type, (_, codec) in forms.items()}
    writes = {
        cls: (extension_type.to_bytes(2, "big") + bytes(2), codec.write)
        for extension_type, (cls, codec) in forms.items()
    }
    unpack = int.from_bytes
    known = reads.get

    def read(data: bytes, at: int, end: int) -> tuple[Extensions, int]:
        start = at + 2
        if start > end:
            field_too_short(at, end, 2)
        stop = start + unpack(data[at:start], "big")
        if stop > end or stop - start < low:
            bad_length(at, start, stop, end, low, high)
        found: list[Extension] = []
        at = start
        extension_type = None
        try:
            while at < stop:
                extension_type = None
                if len(found) == MOST_EXTENSIONS:
                    too_many(MOST_EXTENSIONS)
                body = at + 4
                if body > stop:
                    field_too_short(at, stop, 4)
                extension_type, length = _read_header(data, at)
                body_end = body + length
                if body_end > stop:
                    bad_length(at + 2, body, body_end, stop, 0, high)
                read_body = known(extension_type)
                if read_body is None:
                    found.append(UnknownExtension(extension_type, data[body:body_end]))
                else:
                    extension, at = read_body(data, body, body_end)
                    if at != body_end:
                        trailing_bytes(at, body_end)
                    found.append(extension)
                at = body_end
        except DecodeError as error:
            error.within(f"[{len(found)}]" if extension_type is None else name(ExtensionType, extension_type))
            raise
        return tuple(found), stop

    def write(extensions: Extensions, out: bytearray) -> None:
        at = len(out)
        out += b"\0\0"
        for extension in extensions:
            form = writes.get(type(extension))
            if form is None and type(extension) is UnknownExtension:
                out += extension.extension_type.to_bytes(2, "big")
                out += len(extension.data).to_bytes(2, "big")
                out += extension.data
                continue
            if form is None:
                raise ValueError(f"{type(extension).__name__} has no form in a {contexts[0].value}")
            header, write_body = form
            out += header
            body = len(out)
            write_body(extension, out)
            _write_length(out, body - 2, len(out) - body)
        close(out, at, 2, low, high)

    shape = Variants({extension_type: codec for extension_type, (_, codec) in forms.items()})
    return Codec(read, write, f"Extension {{}}{bounds(low, high)}", shape)


# -- naming and checking ------------------------------------------------------------------------------------


def code(extension: Extension) -> int:
    """Return the code of an extension."""
    if type(extension) is UnknownExtension:
        return extension.extension_type
    return CODES[type(extension)]


def codes(extensions: Iterable[Extension] | None) -> frozenset[int]:
    """Return the codes of several extensions: those that the peer may answer."""
    return frozenset([CODES.get(type(each)) or code(each) for each in extensions or ()])
