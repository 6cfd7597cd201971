"""Certificate signing requests (PKCS#10, RFC 2986): checks them, and takes key and names from them.

The signature proves possession of the key. Nothing but the names is taken from the request, and these are checked like
any others; usages and lifetime come from the profile.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.x509.oid import NameOID

from bothways.ca.errors import RequestRefused
from bothways.ca.keys import PublicKey
from bothways.ca.profiles import NAME_LIMIT, Holder
from bothways.trust.decoding import parsing
from bothways.trust.decoding.extensions import extension_of

SIZE_LIMIT = 64 * 1024
RSA_BITS = range(2048, 8193)
RSA_EXPONENT = 65537
CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


def read_request(data: bytes, source: str) -> tuple[PublicKey, Holder]:
    """Read a request in PEM or DER; return its key and the names that it requests.

    source: its name in errors. Raises RequestRefused.
    """
    if len(data) > SIZE_LIMIT:
        raise RequestRefused(
            f"{source}: is larger than {SIZE_LIMIT} bytes, the limit for a certificate signing request"
        )
    try:
        request = parsing.signing_request(data)
    except parsing.EncodingError as error:
        raise RequestRefused(
            f"{source}: is not a certificate signing request, or malformed: {error}"
        ) from None
    key = _usable(request.public_key(), source)
    if not parsing.proves_its_key(request):
        raise RequestRefused(f"{source}: its signature does not prove possession of the key")
    return key, _holder(request, source)


def omitted_names(data: bytes) -> str:
    """Return what the subject of a usable request has beside its common name, as in RFC 4514: it is not issued."""
    request = parsing.signing_request(data)
    subject = parsing.attempt("subject", lambda: request.subject)  # `cryptography` may warn at each access
    return parsing.name_text(x509.Name([each for each in subject if each.oid != NameOID.COMMON_NAME]))


def _usable(key: object, source: str) -> PublicKey:
    match key:
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, CURVES):
            return key
        case rsa.RSAPublicKey() if key.key_size in RSA_BITS:
            if key.public_numbers().e < RSA_EXPONENT:
                raise RequestRefused(f"{source}: the exponent of its RSA key is below {RSA_EXPONENT}")
            return key
        case ed25519.Ed25519PublicKey() | mldsa.MLDSA65PublicKey():
            return key
        case rsa.RSAPublicKey():
            raise RequestRefused(
                f"{source}: its RSA key has {key.key_size} bits; "
                f"{RSA_BITS.start} to {RSA_BITS.stop - 1} are accepted"
            )
        case _:
            raise RequestRefused(f"{source}: has a key of a type for which this CA issues no certificates")


def _holder(request: x509.CertificateSigningRequest, source: str) -> Holder:
    subject = parsing.attempt("subject", lambda: request.subject)  # `cryptography` may warn at each access
    common = [each.value for each in subject if each.oid == NameOID.COMMON_NAME]
    texts = [each for each in common if isinstance(each, str)]
    if texts != common:
        raise RequestRefused(f"{source}: requests a common name that is not text")
    if len(common) > 1:
        raise RequestRefused(f"{source}: requests {len(common)} common names; at most one is allowed")
    names = _alternative_names(request)
    if len(names) > NAME_LIMIT:
        raise RequestRefused(f"{source}: requests {len(names)} names; at most {NAME_LIMIT} are allowed")
    dns, ip, uri, email = [], [], [], []
    for name in names:
        match name:
            case x509.DNSName():
                dns.append(name.value)
            case x509.IPAddress(value=IPv4Address() | IPv6Address() as address):
                ip.append(str(address))
            case x509.UniformResourceIdentifier():
                uri.append(name.value)
            case x509.RFC822Name():
                email.append(name.value)
            case _:
                raise RequestRefused(f"{source}: requests a {type(name).__name__}, which no profile allows")
    return Holder(texts[0] if texts else None, tuple(dns), tuple(ip), tuple(uri), tuple(email))


def _alternative_names(request: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    return list(extension_of(request, x509.SubjectAlternativeName) or ())
