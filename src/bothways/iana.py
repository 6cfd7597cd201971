"""Every code point that we use, with the names of the IANA TLS registries (RFC 9847).

Received codes stay `int`, since a peer may send unregistered ones; `name` returns a name for any of them.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache


class ProtocolVersion(IntEnum):
    """Versions as they stand in records and hellos."""

    SSLv3 = 0x0300
    TLSv1 = 0x0301
    TLSv1_1 = 0x0302
    TLSv1_2 = 0x0303
    TLSv1_3 = 0x0304


class ContentType(IntEnum):
    """TLS ContentType."""

    change_cipher_spec = 20
    alert = 21
    handshake = 22
    application_data = 23


class HandshakeType(IntEnum):
    """TLS HandshakeType."""

    hello_request = 0
    client_hello = 1
    server_hello = 2
    new_session_ticket = 4
    end_of_early_data = 5
    encrypted_extensions = 8
    certificate = 11
    server_key_exchange = 12
    certificate_request = 13
    server_hello_done = 14
    certificate_verify = 15
    client_key_exchange = 16
    finished = 20
    certificate_url = 21
    certificate_status = 22
    key_update = 24
    compressed_certificate = 25
    message_hash = 254


class AlertLevel(IntEnum):
    """TLS AlertLevel."""

    warning = 1
    fatal = 2


class Alert(IntEnum):
    """TLS Alerts; the registry spells the names in lower case."""

    CLOSE_NOTIFY = 0
    UNEXPECTED_MESSAGE = 10
    BAD_RECORD_MAC = 20
    RECORD_OVERFLOW = 22
    HANDSHAKE_FAILURE = 40
    NO_CERTIFICATE = 41
    BAD_CERTIFICATE = 42
    UNSUPPORTED_CERTIFICATE = 43
    CERTIFICATE_REVOKED = 44
    CERTIFICATE_EXPIRED = 45
    CERTIFICATE_UNKNOWN = 46
    ILLEGAL_PARAMETER = 47
    UNKNOWN_CA = 48
    ACCESS_DENIED = 49
    DECODE_ERROR = 50
    DECRYPT_ERROR = 51
    PROTOCOL_VERSION = 70
    INSUFFICIENT_SECURITY = 71
    INTERNAL_ERROR = 80
    INAPPROPRIATE_FALLBACK = 86
    USER_CANCELED = 90
    NO_RENEGOTIATION = 100
    MISSING_EXTENSION = 109
    UNSUPPORTED_EXTENSION = 110
    CERTIFICATE_UNOBTAINABLE = 111
    UNRECOGNIZED_NAME = 112
    BAD_CERTIFICATE_STATUS_RESPONSE = 113
    BAD_CERTIFICATE_HASH_VALUE = 114
    UNKNOWN_PSK_IDENTITY = 115
    CERTIFICATE_REQUIRED = 116
    GENERAL_ERROR = 117
    NO_APPLICATION_PROTOCOL = 120
    ECH_REQUIRED = 121


class CipherSuite(IntEnum):
    """TLS Cipher Suites: those that we support, others that are in use, and signalling values."""

    TLS_RSA_WITH_NULL_MD5 = 0x0001
    TLS_RSA_WITH_NULL_SHA = 0x0002
    TLS_RSA_EXPORT_WITH_RC4_40_MD5 = 0x0003
    TLS_RSA_WITH_RC4_128_MD5 = 0x0004
    TLS_RSA_WITH_RC4_128_SHA = 0x0005
    TLS_RSA_EXPORT_WITH_RC2_CBC_40_MD5 = 0x0006
    TLS_RSA_EXPORT_WITH_DES40_CBC_SHA = 0x0008
    TLS_RSA_WITH_DES_CBC_SHA = 0x0009
    TLS_RSA_WITH_3DES_EDE_CBC_SHA = 0x000A
    TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA = 0x0014
    TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA = 0x0016
    TLS_DH_anon_WITH_RC4_128_MD5 = 0x0018
    TLS_DH_anon_WITH_3DES_EDE_CBC_SHA = 0x001B
    TLS_RSA_WITH_AES_128_CBC_SHA = 0x002F
    TLS_DHE_RSA_WITH_AES_128_CBC_SHA = 0x0033
    TLS_DH_anon_WITH_AES_128_CBC_SHA = 0x0034
    TLS_RSA_WITH_AES_256_CBC_SHA = 0x0035
    TLS_DHE_RSA_WITH_AES_256_CBC_SHA = 0x0039
    TLS_DH_anon_WITH_AES_256_CBC_SHA = 0x003A
    TLS_RSA_WITH_NULL_SHA256 = 0x003B
    TLS_RSA_WITH_AES_128_CBC_SHA256 = 0x003C
    TLS_RSA_WITH_AES_256_CBC_SHA256 = 0x003D
    TLS_DHE_RSA_WITH_AES_128_CBC_SHA256 = 0x0067
    TLS_DHE_RSA_WITH_AES_256_CBC_SHA256 = 0x006B
    TLS_DH_anon_WITH_AES_128_CBC_SHA256 = 0x006C
    TLS_DH_anon_WITH_AES_256_CBC_SHA256 = 0x006D
    TLS_RSA_WITH_AES_128_GCM_SHA256 = 0x009C
    TLS_RSA_WITH_AES_256_GCM_SHA384 = 0x009D
    TLS_DHE_RSA_WITH_AES_128_GCM_SHA256 = 0x009E
    TLS_DHE_RSA_WITH_AES_256_GCM_SHA384 = 0x009F
    TLS_DH_anon_WITH_AES_128_GCM_SHA256 = 0x00A6
    TLS_DH_anon_WITH_AES_256_GCM_SHA384 = 0x00A7
    TLS_EMPTY_RENEGOTIATION_INFO_SCSV = 0x00FF
    TLS_AES_128_GCM_SHA256 = 0x1301
    TLS_AES_256_GCM_SHA384 = 0x1302
    TLS_CHACHA20_POLY1305_SHA256 = 0x1303
    TLS_AES_128_CCM_SHA256 = 0x1304
    TLS_AES_128_CCM_8_SHA256 = 0x1305
    TLS_FALLBACK_SCSV = 0x5600
    TLS_ECDHE_ECDSA_WITH_NULL_SHA = 0xC006
    TLS_ECDHE_ECDSA_WITH_RC4_128_SHA = 0xC007
    TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA = 0xC008
    TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA = 0xC009
    TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA = 0xC00A
    TLS_ECDHE_RSA_WITH_NULL_SHA = 0xC010
    TLS_ECDHE_RSA_WITH_RC4_128_SHA = 0xC011
    TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA = 0xC012
    TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA = 0xC013
    TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA = 0xC014
    TLS_ECDH_anon_WITH_AES_128_CBC_SHA = 0xC018
    TLS_ECDH_anon_WITH_AES_256_CBC_SHA = 0xC019
    TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256 = 0xC023
    TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384 = 0xC024
    TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256 = 0xC027
    TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384 = 0xC028
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 = 0xC02B
    TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 = 0xC02C
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 = 0xC02F
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 = 0xC030
    TLS_RSA_WITH_AES_128_CCM = 0xC09C
    TLS_ECDHE_ECDSA_WITH_AES_128_CCM = 0xC0AC
    TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 = 0xCCA8
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 = 0xCCA9
    TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256 = 0xCCAA


class CompressionMethod(IntEnum):
    """TLS Compression Method Identifiers (RFC 3749)."""

    null = 0
    DEFLATE = 1
    LZS = 64


class ExtensionType(IntEnum):
    """TLS ExtensionType Values."""

    server_name = 0
    max_fragment_length = 1
    client_certificate_url = 2
    trusted_ca_keys = 3
    truncated_hmac = 4
    status_request = 5
    user_mapping = 6
    client_authz = 7
    server_authz = 8
    cert_type = 9
    supported_groups = 10
    ec_point_formats = 11
    srp = 12
    signature_algorithms = 13
    use_srtp = 14
    heartbeat = 15
    application_layer_protocol_negotiation = 16
    status_request_v2 = 17
    signed_certificate_timestamp = 18
    client_certificate_type = 19
    server_certificate_type = 20
    padding = 21
    encrypt_then_mac = 22
    extended_main_secret = 23
    compress_certificate = 27
    record_size_limit = 28
    delegated_credential = 34
    session_ticket = 35
    pre_shared_key = 41
    early_data = 42
    supported_versions = 43
    cookie = 44
    psk_key_exchange_modes = 45
    certificate_authorities = 47
    oid_filters = 48
    post_handshake_auth = 49
    signature_algorithms_cert = 50
    key_share = 51
    quic_transport_parameters = 57
    ech_outer_extensions = 0xFD00
    encrypted_client_hello = 0xFE0D
    renegotiation_info = 0xFF01


class NamedGroup(IntEnum):
    """TLS Supported Groups (RFC 8422, RFC 7919, RFC 10024)."""

    secp256r1 = 23
    secp384r1 = 24
    secp521r1 = 25
    x25519 = 29
    x448 = 30
    ffdhe2048 = 256
    ffdhe3072 = 257
    ffdhe4096 = 258
    ffdhe6144 = 259
    ffdhe8192 = 260
    MLKEM768 = 513
    MLKEM1024 = 514
    SecP256r1MLKEM768 = 0x11EB
    X25519MLKEM768 = 0x11EC
    SecP384r1MLKEM1024 = 0x11ED


class FormerGroup(IntEnum):
    """TLS Supported Groups that are used by few (RFC 8422 5.1.1, RFC 7027, RFC 8734, RFC 8998)."""

    sect163k1 = 1
    sect163r1 = 2
    sect163r2 = 3
    sect193r1 = 4
    sect193r2 = 5
    sect233k1 = 6
    sect233r1 = 7
    sect239k1 = 8
    sect283k1 = 9
    sect283r1 = 10
    sect409k1 = 11
    sect409r1 = 12
    sect571k1 = 13
    sect571r1 = 14
    secp160k1 = 15
    secp160r1 = 16
    secp160r2 = 17
    secp192k1 = 18
    secp192r1 = 19
    secp224k1 = 20
    secp224r1 = 21
    secp256k1 = 22
    brainpoolP256r1 = 26  # noqa: N815
    brainpoolP384r1 = 27  # noqa: N815
    brainpoolP512r1 = 28  # noqa: N815
    brainpoolP256r1tls13 = 31  # noqa: N815
    brainpoolP384r1tls13 = 32  # noqa: N815
    brainpoolP512r1tls13 = 33  # noqa: N815
    curveSM2 = 41  # noqa: N815 - the registry's spelling


class FormerScheme(IntEnum):
    """TLS SignatureScheme that are used by few (RFC 5246 7.4.1.4.1, RFC 8734, RFC 8998)."""

    rsa_md5 = 0x0101
    dsa_sha1 = 0x0202
    rsa_sha224 = 0x0301
    dsa_sha224 = 0x0302
    ecdsa_sha224 = 0x0303
    dsa_sha256 = 0x0402
    dsa_sha384 = 0x0502
    dsa_sha512 = 0x0602
    sm2sig_sm3 = 0x0708
    ecdsa_brainpoolP256r1tls13_sha256 = 0x081A  # noqa: N815
    ecdsa_brainpoolP384r1tls13_sha384 = 0x081B  # noqa: N815
    ecdsa_brainpoolP512r1tls13_sha512 = 0x081C  # noqa: N815


class SignatureScheme(IntEnum):
    """TLS SignatureScheme (RFC 9846 4.3.3; ML-DSA: draft-ietf-tls-mldsa)."""

    rsa_pkcs1_sha1 = 0x0201
    ecdsa_sha1 = 0x0203
    rsa_pkcs1_sha256 = 0x0401
    ecdsa_secp256r1_sha256 = 0x0403
    rsa_pkcs1_sha384 = 0x0501
    ecdsa_secp384r1_sha384 = 0x0503
    rsa_pkcs1_sha512 = 0x0601
    ecdsa_secp521r1_sha512 = 0x0603
    rsa_pss_rsae_sha256 = 0x0804
    rsa_pss_rsae_sha384 = 0x0805
    rsa_pss_rsae_sha512 = 0x0806
    ed25519 = 0x0807
    ed448 = 0x0808
    rsa_pss_pss_sha256 = 0x0809
    rsa_pss_pss_sha384 = 0x080A
    rsa_pss_pss_sha512 = 0x080B
    mldsa44 = 0x0904
    mldsa65 = 0x0905
    mldsa87 = 0x0906


class CertificateStatusType(IntEnum):
    """TLS Certificate Status Types (RFC 6066, RFC 6961)."""

    ocsp = 1
    ocsp_multi_RESERVED = 2  # noqa: N815 - the registry's spelling


class ClientCertificateType(IntEnum):
    """TLS ClientCertificateType Identifiers (RFC 5246 7.4.4, RFC 8422 5.5)."""

    rsa_sign = 1
    dss_sign = 2
    rsa_fixed_dh = 3
    dss_fixed_dh = 4
    ecdsa_sign = 64
    rsa_fixed_ecdh = 65
    ecdsa_fixed_ecdh = 66


class CertificateType(IntEnum):
    """What a Certificate message contains, in the extensions of RFC 7250 (IANA, TLS Certificate Types)."""

    X509 = 0
    OpenPGP = 1
    RawPublicKey = 2


class NameType(IntEnum):
    """Server name types (RFC 6066 3)."""

    host_name = 0


class PskKeyExchangeMode(IntEnum):
    """TLS PskKeyExchangeMode (RFC 9846 4.3.9)."""

    psk_ke = 0
    psk_dhe_ke = 1


class TLSKdf(IntEnum):
    """The key derivation functions for which external PSKs are imported (RFC 9258 10)."""

    HKDF_SHA256 = 1
    HKDF_SHA384 = 2


class KeyUpdateRequest(IntEnum):
    """KeyUpdateRequest (RFC 9846 4.7.3)."""

    update_not_requested = 0
    update_requested = 1


class ECHClientHelloType(IntEnum):
    """Forms of encrypted_client_hello in a ClientHello (RFC 9849 5)."""

    outer = 0
    inner = 1


class HpkeKem(IntEnum):
    """HPKE KEM Identifiers (RFC 9180 7.1)."""

    DHKEM_P256 = 0x0010
    DHKEM_P384 = 0x0011
    DHKEM_P521 = 0x0012
    DHKEM_X25519 = 0x0020
    DHKEM_X448 = 0x0021


class HpkeKdf(IntEnum):
    """HPKE KDF Identifiers (RFC 9180 7.2)."""

    HKDF_SHA256 = 1
    HKDF_SHA384 = 2
    HKDF_SHA512 = 3


class HpkeAead(IntEnum):
    """HPKE AEAD Identifiers (RFC 9180 7.3)."""

    AES_128_GCM = 1
    AES_256_GCM = 2
    ChaCha20Poly1305 = 3


class ECPointFormat(IntEnum):
    """TLS EC Point Formats (RFC 8422 5.1.2)."""

    uncompressed = 0


class CertificateCompressionAlgorithm(IntEnum):
    """TLS Certificate Compression Algorithm IDs (RFC 8879 7.3)."""

    zlib = 1
    brotli = 2
    zstd = 3


class ECCurveType(IntEnum):
    """TLS EC Curve Types (RFC 8422 5.4)."""

    named_curve = 3

NAMES_LIMIT = 64


@lru_cache(maxsize=1024)
def name(registry: type[IntEnum], value: int) -> str:
    """Return the registry's name of `value`, or a description of an unknown number."""
    try:
        return registry(value).name
    except ValueError:
        digits = f"0x{value:04x}" if value > 0xFF else str(value)
        return f"GREASE {digits}" if is_grease(value) else f"{registry.__name__} {digits}"


def names(registry: type[IntEnum], values: tuple[int, ...] | list[int]) -> list[str]:
    """Return the registry's names of several values, in order.

    Only the first `NAMES_LIMIT` are named, since the peer chooses their number; the last text then says how many more
    there are.
    """
    spelled = [name(registry, value) for value in values[:NAMES_LIMIT]]
    more = len(values) - len(spelled)
    return [*spelled, f"{more} more"] if more else spelled


def group_names(values: tuple[int, ...] | list[int]) -> list[str]:
    """Return the names of groups, also of those used by few."""
    former = set(FormerGroup)
    return [name(FormerGroup if value in former else NamedGroup, value) for value in values[:NAMES_LIMIT]]


def is_grease(value: int) -> bool:
    """Whether a two-byte code is reserved for GREASE (RFC 8701 2)."""
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF
