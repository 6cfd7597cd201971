"""What a certificate is for: the extensions that each profile gives, and the names that it may carry.

The rules are RFC 5280 4.2. A profile decides usages; the key's type decides what of them makes sense.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bothways.ca.keys import PublicKey
from bothways.errors import ConfigError
from bothways.trust.names import is_dns_name

COMMON_NAME_LIMIT = 64  # ub-common-name, RFC 5280 appendix A.1
DAY = timedelta(days=1)


class Profile(Enum):
    """What a certificate is issued for, by the word that the command line uses."""

    SERVER = "server"
    CLIENT = "client"
    PEER = "peer"
    OCSP = "ocsp"
    SUB_CA = "sub-ca"


LIFETIMES = {
    Profile.SERVER: 90 * DAY,
    Profile.CLIENT: 90 * DAY,
    Profile.PEER: 90 * DAY,
    Profile.OCSP: 7 * DAY,
    Profile.SUB_CA: 5 * 365 * DAY,
}
ROOT_LIFETIME = 10 * 365 * DAY

EXTENDED_USAGES = {
    Profile.SERVER: (ExtendedKeyUsageOID.SERVER_AUTH,),
    Profile.CLIENT: (ExtendedKeyUsageOID.CLIENT_AUTH,),
    Profile.PEER: (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
    Profile.OCSP: (ExtendedKeyUsageOID.OCSP_SIGNING,),
}


@dataclass(frozen=True, slots=True)
class Holder:
    """For whom a certificate stands.

    common_name: what people read; the first of the other names if it is left out. dns: host names, a wildcard
    as the whole first label. ip: IPv4 or IPv6 addresses. uri: such as spiffe://example/alice. email: mail
    addresses.
    """

    common_name: str | None = None
    dns: tuple[str, ...] = ()
    ip: tuple[str, ...] = ()
    uri: tuple[str, ...] = ()
    email: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Constraints:
    """Which names an authority may vouch for, and which not (RFC 5280 4.2.1.10).

    `.example.com` and `example.com` are the same for DNS: the domain and all below. Networks are written
    10.0.0.0/8.
    """

    permitted_dns: tuple[str, ...] = ()
    excluded_dns: tuple[str, ...] = ()
    permitted_ip: tuple[str, ...] = ()
    excluded_ip: tuple[str, ...] = ()
    permitted_uri: tuple[str, ...] = ()
    excluded_uri: tuple[str, ...] = ()
    permitted_email: tuple[str, ...] = ()
    excluded_email: tuple[str, ...] = ()


UNCONSTRAINED = Constraints()


def check_holder(profile: Profile, holder: Holder) -> None:
    """Raise ConfigError for names that cannot be put into a certificate of that profile."""
    if profile in (Profile.SERVER, Profile.PEER) and not (holder.dns or holder.ip or holder.uri):
        raise ConfigError(
            f"a {profile.value} certificate needs a DNS name, an IP address or a URI: "
            "clients do not look at its common name"
        )
    if not (holder.common_name or holder.dns or holder.ip or holder.uri or holder.email):
        raise ConfigError(f"a {profile.value} certificate needs a name")
    alternative_names(holder)
    subject(holder)


def subject(holder: Holder) -> x509.Name:
    """Make the subject: one common name, or none where every name is too long for it."""
    others = (*holder.dns, *holder.email, *holder.ip, *holder.uri)
    text = holder.common_name or next((name for name in others if len(name) <= COMMON_NAME_LIMIT), "")
    if len(text) > COMMON_NAME_LIMIT:
        raise ConfigError(f"the common name is {len(text)} characters long; at most {COMMON_NAME_LIMIT} fit")
    if not text.isprintable():
        raise ConfigError(f"the common name {text!a} holds characters that cannot be printed")
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)] if text else [])


def alternative_names(holder: Holder) -> list[x509.GeneralName]:
    """Make the subject alternative names, or raise ConfigError that names the one that is none."""
    return [
        *(x509.DNSName(_dns(name)) for name in holder.dns),
        *(x509.IPAddress(_ip(name)) for name in holder.ip),
        *(x509.UniformResourceIdentifier(_uri(name)) for name in holder.uri),
        *(x509.RFC822Name(_email(name)) for name in holder.email),
    ]


def name_constraints(constraints: Constraints) -> x509.NameConstraints:
    """Make the extension that an issuing certificate carries."""
    permitted, excluded = (
        [
            *(x509.DNSName(name.removeprefix(".")) for name in dns),
            *(x509.IPAddress(_network(name)) for name in ip),
            *(x509.UniformResourceIdentifier(name) for name in uri),
            *(x509.RFC822Name(name) for name in email),
        ]
        for dns, ip, uri, email in (
            (
                constraints.permitted_dns,
                constraints.permitted_ip,
                constraints.permitted_uri,
                constraints.permitted_email,
            ),
            (
                constraints.excluded_dns,
                constraints.excluded_ip,
                constraints.excluded_uri,
                constraints.excluded_email,
            ),
        )
    )
    return x509.NameConstraints(permitted or None, excluded or None)


def key_usage(profile: Profile, key: PublicKey) -> x509.KeyUsage:
    """Make the key usage: signatures; key transport only where an RSA key may be asked for it (TLS 1.2)."""
    authority = profile is Profile.SUB_CA
    transport = isinstance(key, rsa.RSAPublicKey) and profile in (Profile.SERVER, Profile.PEER)
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=transport,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _dns(name: str) -> str:
    lower = name.lower()
    if (
        not is_dns_name(lower.removeprefix("*."))
        or lower == "*"
        or (name[:2] == "*." and "." not in name[2:])
    ):
        raise ConfigError(
            f"{name!a} is no DNS name; other scripts are written as A-labels (xn--...), "
            "a wildcard as the whole first label of three or more"
        )
    return lower


def _ip(name: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(name)
    except ValueError:
        raise ConfigError(f"{name!a} is no IP address") from None


def _network(name: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(name)
    except ValueError as error:
        raise ConfigError(f"{name!a} is no network: {error}") from None


def _uri(name: str) -> str:
    try:
        parts = urlsplit(name)
    except ValueError:
        parts = urlsplit("")
    sound = name.isascii() and name.isprintable() and " " not in name
    if not (sound and parts.scheme and (parts.netloc or parts.path)):
        raise ConfigError(f"{name!a} is no URI")
    return name


def _email(name: str) -> str:
    local, _, domain = name.rpartition("@")
    sound = local and local.isascii() and local.isprintable() and not set(local) & set(' "(),:;<>@[\\]')
    if not sound or not is_dns_name(domain.lower()):
        raise ConfigError(f"{name!a} is no mail address")
    return name
