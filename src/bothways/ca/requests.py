"""Signing requests (PKCS#10, RFC 2986): what they prove, and what of their wishes is listened to.

The signature proves that the sender holds the key. Of what is asked for, only the names are taken, and they
are checked like any others; usages and lifetimes are the profile's.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.x509.oid import NameOID

from bothways.ca.errors import RequestRefused
from bothways.ca.keys import PublicKey
from bothways.ca.profiles import NAME_LIMIT, Holder
from bothways.trust import parsing
from bothways.trust.extensions import extension_of

SIZE_LIMIT = 64 * 1024
RSA_BITS = range(2048, 8193)
RSA_EXPONENT = 65537
CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


def read_request(data: bytes, source: str) -> tuple[PublicKey, Holder]:
    """Read a request in PEM or DER: the key whose possession it proves, and the names that it asks for.

    source: what to call it in errors. Raises RequestRefused for whatever is wrong with it.
    """
    if len(data) > SIZE_LIMIT:
        raise RequestRefused(f"{source}: is larger than {SIZE_LIMIT} bytes, so it is no request")
    try:
        request = parsing.signing_request(data)
    except parsing.EncodingError as error:
        raise RequestRefused(f"{source}: is no request that can be read: {error}") from None
    key = _usable(request.public_key(), source)
    if not parsing.proves_its_key(request):
        raise RequestRefused(f"{source}: its signature does not prove that the sender holds the key")
    return key, _holder(request, source)


def _usable(key: object, source: str) -> PublicKey:
    match key:
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, CURVES):
            return key
        case rsa.RSAPublicKey() if key.key_size in RSA_BITS:
            if key.public_numbers().e < RSA_EXPONENT:
                raise RequestRefused(f"{source}: an RSA key with an exponent below {RSA_EXPONENT}")
            return key
        case ed25519.Ed25519PublicKey() | mldsa.MLDSA65PublicKey():
            return key
        case rsa.RSAPublicKey():
            raise RequestRefused(
                f"{source}: an RSA key of {key.key_size} bits; it takes "
                f"{RSA_BITS.start} to {RSA_BITS.stop - 1}"
            )
        case _:
            raise RequestRefused(f"{source}: holds a key of a kind for which no certificate is issued")


def _holder(request: x509.CertificateSigningRequest, source: str) -> Holder:
    subject = parsing.attempt("subject", lambda: request.subject)  # each reading may warn anew
    common = [each.value for each in subject if each.oid == NameOID.COMMON_NAME]
    words = [each for each in common if isinstance(each, str)]
    if words != common:
        raise RequestRefused(f"{source}: asks for a common name that is no text")
    if len(common) > 1:
        raise RequestRefused(f"{source}: asks for {len(common)} common names; a certificate has one")
    names = _alternative_names(request)
    if len(names) > NAME_LIMIT:
        raise RequestRefused(f"{source}: asks for {len(names)} names; at most {NAME_LIMIT} are given")
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
                raise RequestRefused(f"{source}: asks for a {type(name).__name__}, which no profile gives")
    return Holder(words[0] if words else None, tuple(dns), tuple(ip), tuple(uri), tuple(email))


def _alternative_names(request: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    return list(extension_of(request, x509.SubjectAlternativeName) or ())
