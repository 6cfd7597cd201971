"""Certificate profiles: the extensions that each adds, and the names that it allows (RFC 5280 4.2)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bothways.arguments import instance, several
from bothways.arguments import text as checked_text
from bothways.ca.errors import NamesRefused
from bothways.ca.keys import PublicKey
from bothways.trust.decoding.extensions import extension_of
from bothways.trust.names.general import is_dns_name, lower_ascii

COMMON_NAME_LIMIT = 64  # ub-common-name, RFC 5280 appendix A.1
NAME_LIMIT = 100  # subject alternative names
URI_LIMIT = 2048  # the length that every implementation of SPIFFE must support
LOCAL_PART_LIMIT, ADDRESS_LIMIT = 64, 254  # RFC 5321 4.5.3.1, with the erratum that counts the brackets
DAY = timedelta(days=1)


class Profile(Enum):
    """What a certificate is for; the values are those of the command line."""

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
    """The names of a certificate's subject.

    Attributes: `common_name`: by default the first of the other names; `dns`: host names, where a wildcard is the whole
    first label; `ip`: IPv4 or IPv6 addresses; `uri`: such as spiffe://example/alice; `email`: email addresses.
    """

    common_name: str | None = None
    dns: tuple[str, ...] = ()
    ip: tuple[str, ...] = ()
    uri: tuple[str, ...] = ()
    email: tuple[str, ...] = ()

    @classmethod
    def from_names(cls, names: Mapping[str, Iterable[str]]) -> Holder:
        """Make a holder from a dictionary as `names` returns it."""
        kinds = {kind: tuple(names.get(kind, ())) for kind in ("dns", "ip", "uri", "email")}
        return cls(next(iter(names.get("cn", ())), None), **kinds)

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """All names by type, as the register stores them."""
        common = (self.common_name,) if self.common_name else ()
        return {"cn": common, "dns": self.dns, "ip": self.ip, "uri": self.uri, "email": self.email}

    @property
    def shown_name(self) -> str:
        """The name by which the certificate is listed."""
        return self.common_name or next(iter((*self.dns, *self.email, *self.ip, *self.uri)), "")


@dataclass(frozen=True, slots=True)
class Constraints:
    """Name constraints of a CA (RFC 5280 4.2.1.10).

    permitted_dns, permitted_ip, permitted_uri, permitted_email: names that certificates below it may have; empty for
    any.  excluded_dns, excluded_ip, excluded_uri, excluded_email: names that they must not have.
    `.example.com` and `example.com` mean the same for DNS: the domain and all below it. Networks are written
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


@dataclass(frozen=True, slots=True)
class Delegation:
    """What a CA below this one may do.

    path_length: the number of CAs that may be below it on a path; None for no limit.  constraints: its own name
    constraints.
    """

    path_length: int | None = 0
    constraints: Constraints = UNCONSTRAINED


NO_DELEGATION = Delegation()

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")
_SPIFFE = re.compile(r"spiffe://[a-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")


def check_holder(profile: Profile, holder: Holder) -> None:
    """Raise NamesRefused for names of `holder` that a certificate of the profile cannot contain.

    Raises ConfigError for a single text in the place of several names, which would be as many names as it has letters.
    """
    instance("profile", profile, Profile)
    for kind, names in (("dns", holder.dns), ("ip", holder.ip), ("uri", holder.uri), ("email", holder.email)):
        several(kind, names, "names", str)
    if holder.common_name is not None:
        checked_text("common_name", holder.common_name)
    if profile is Profile.SUB_CA:
        _check_authority(holder)
        return
    if profile in (Profile.SERVER, Profile.PEER) and not (holder.dns or holder.ip or holder.uri):
        raise NamesRefused(
            f"a {profile.value} certificate needs a DNS name, an IP address or a URI: "
            "clients do not look at its common name"
        )
    if not (holder.common_name or holder.dns or holder.ip or holder.uri or holder.email):
        raise NamesRefused(f"a {profile.value} certificate needs a name")
    if len(holder.uri) > 1 and any(uri.startswith("spiffe:") for uri in holder.uri):
        raise NamesRefused("a certificate with a SPIFFE ID has no other URI")  # X.509-SVID 2
    alternative_names(holder)
    subject(holder)


def authority_name(name: str | None) -> x509.Name:
    """Return the subject of a CA: a common name only. Raises NamesRefused."""
    if not name or len(checked_text("name", name)) > COMMON_NAME_LIMIT or not name.isprintable():
        raise NamesRefused(f"the name of a CA must have 1 to {COMMON_NAME_LIMIT} printable characters")
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def subject(holder: Holder) -> x509.Name:
    """Return the subject for `holder`: one common name, or none if each is too long for it. Raises NamesRefused."""
    others = (*holder.dns, *holder.email, *holder.ip, *holder.uri)
    text = holder.common_name or next((name for name in others if len(name) <= COMMON_NAME_LIMIT), "")
    if len(text) > COMMON_NAME_LIMIT:
        raise NamesRefused(
            f"the common name is {len(text)} characters long; the limit is {COMMON_NAME_LIMIT}"
        )
    if not text.isprintable():
        raise NamesRefused(f"the common name {text!a} contains characters that are not printable")
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)] if text else [])


def alternative_names(holder: Holder) -> list[x509.GeneralName]:
    """Return the subject alternative names of `holder`. Raises NamesRefused for the first invalid one."""
    count = len(holder.dns) + len(holder.ip) + len(holder.uri) + len(holder.email)
    if count > NAME_LIMIT:
        raise NamesRefused(f"{count} names are requested; at most {NAME_LIMIT} are allowed")
    names: list[x509.GeneralName] = [
        *(x509.DNSName(_dns(name)) for name in holder.dns),
        *(x509.IPAddress(_ip(name)) for name in holder.ip),
        *(x509.UniformResourceIdentifier(_uri(name)) for name in holder.uri),
        *(x509.RFC822Name(_email(name)) for name in holder.email),
    ]
    repeated = next((name for name, times in Counter(names).items() if times > 1), None)
    if repeated is not None:
        raise NamesRefused(f"{str(repeated.value)!a} is requested twice")
    return names


def name_constraints(constraints: Constraints) -> x509.NameConstraints:
    """Return the name constraints extension of a CA certificate. Raises NamesRefused."""
    permitted, excluded = (
        [
            *(x509.IPAddress(_network(name)) for name in ip),
            *(_constraint(x509.DNSName, name.removeprefix(".")) for name in dns),
            *(_constraint(x509.UniformResourceIdentifier, name) for name in uri),
            *(_constraint(x509.RFC822Name, name) for name in email),
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
    try:
        return x509.NameConstraints(permitted or None, excluded or None)
    except ValueError as error:
        raise NamesRefused(f"the name constraints cannot be encoded: {error}") from None


def constraints_of(certificate: x509.Certificate) -> Constraints:
    """Read the constraints of a certificate that `name_constraints` wrote."""
    found = extension_of(certificate, x509.NameConstraints)
    if found is None:
        return UNCONSTRAINED
    values: dict[str, tuple[str, ...]] = {}
    for prefix, subtrees in (("permitted", found.permitted_subtrees), ("excluded", found.excluded_subtrees)):
        for each in subtrees or ():
            field = f"{prefix}_{_CONSTRAINED[type(each)]}"
            values[field] = (*values.get(field, ()), str(each.value))
    return Constraints(**values)


_CONSTRAINED = {
    x509.DNSName: "dns",
    x509.IPAddress: "ip",
    x509.UniformResourceIdentifier: "uri",
    x509.RFC822Name: "email",
}


def key_usage(profile: Profile, key: PublicKey) -> x509.KeyUsage:
    """Return the key usage of a key in a profile: keyEncipherment only for RSA keys of TLS servers (TLS 1.2)."""
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
    lower = lower_ascii(name)
    if (
        not is_dns_name(lower.removeprefix("*."))
        or lower == "*"
        or (name[:2] == "*." and "." not in name[2:])
    ):
        raise NamesRefused(
            f"{name!a} is not a DNS name; write internationalized names as A-labels (xn--...), "
            "and a wildcard as the whole first label of three or more"
        )
    return lower


def _ip(name: str) -> IPv4Address | IPv6Address:
    try:
        address = ip_address(name)
    except ValueError:
        raise NamesRefused(f"{name!a} is not an IP address") from None
    if "%" in name:
        raise NamesRefused(f"{name!a} has a zone index, which a certificate cannot contain")
    return address


def _constraint(kind: Callable[[str], x509.GeneralName], name: str) -> x509.GeneralName:
    try:
        return kind(name)
    except ValueError:
        raise NamesRefused(
            f"{name!a} is not a name constraint; write internationalized names as A-labels (xn--...)"
        ) from None


def _network(name: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(name)
    except ValueError as error:
        raise NamesRefused(f"{name!a} is not an IP network: {error}") from None


def _uri(name: str) -> str:
    """Check a URI (RFC 5280 4.2.1.6), and a SPIFFE ID by its own rules (SPIFFE-ID 2)."""
    try:
        parts = urlsplit(name)
    except ValueError:
        parts = urlsplit("")
    if not (_URI.fullmatch(name) and (parts.netloc or parts.path)):
        raise NamesRefused(f"{name!a} is not a URI")
    if len(name) > URI_LIMIT:
        raise NamesRefused(f"a URI has {len(name)} characters; the limit is {URI_LIMIT}")
    dots = {".", ".."} & set(parts.path.split("/"))
    if parts.scheme == "spiffe" and (not _SPIFFE.fullmatch(name) or dots):
        raise NamesRefused(
            f"{name!a} is not a SPIFFE ID: write spiffe://trust-domain/path with letters, digits, dots, hyphens "
            "and underscores, the trust domain in lower case, without query, fragment, port and user"
        )
    return name


def _email(name: str) -> str:
    local, _, domain = name.rpartition("@")
    is_valid = local and local.isascii() and local.isprintable() and not set(local) & set(' "(),:;<>@[\\]')
    if not is_valid or not is_dns_name(lower_ascii(domain)):
        raise NamesRefused(f"{name!a} is not an email address")
    if len(local) > LOCAL_PART_LIMIT or len(name) > ADDRESS_LIMIT:
        raise NamesRefused(
            f"an email address has {len(local)} characters before the @ and {len(name)} in total; "
            f"the limits are {LOCAL_PART_LIMIT} and {ADDRESS_LIMIT}"
        )
    return name


def _check_authority(holder: Holder) -> None:
    authority_name(holder.common_name)
    if holder.dns or holder.ip or holder.uri or holder.email:
        raise NamesRefused(
            "a CA has a common name only; give name constraints (--permit, --exclude) to limit what it may issue"
        )
