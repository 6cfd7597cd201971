"""Whether a certificate is valid for a name: the reference identifier against the presented ones (RFC 9525).

Only the subject alternative names of a server count; a common name is reported and never compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from itertools import repeat
from typing import Literal

from cryptography import x509

from bothways.addresses import without_user
from bothways.errors import ConfigError
from bothways.faults import Fault, Reason, shown
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.names.distinguished import common_name, dn_text
from bothways.trust.names.general import LABEL_LIMIT, GeneralNameKind, is_dns_name, lower_ascii
from bothways.trust.verdict import Names
from bothways.trust.work import WorkBudget, WorkStep

_DEVIATIONS = frozenset("\u00df\u03c2\u200c\u200d")  # IDNA 2003 and IDNA 2008 map these to different labels
SPIFFE = "spiffe://"


@dataclass(frozen=True, slots=True)
class ServerName:
    """The name that a client connects to: a DNS name in lower-case A-labels, an IP address, or a URI (SPIFFE ID)."""

    kind: Literal["dns", "ip", "uri"]
    text: str

    @property
    def sni(self) -> str | None:
        """The name for the server_name extension; None where that does not allow it (RFC 6066 3)."""
        return self.text if self.kind == "dns" else None

    def __str__(self) -> str:
        return self.text


def server_name(text: str) -> ServerName:
    """Decode the name that a caller connects to. Raises ConfigError for anything else.

    text: a DNS name (a final dot is ignored; other scripts become A-labels), an IPv4 or IPv6 address (with or without
    brackets and zone), or a URI.
    """
    if not isinstance(text, str):
        raise ConfigError(f"server_name: expected a name as text, not {type(text).__name__}")
    return _server_name(text)


@lru_cache(maxsize=256)
def _server_name(text: str) -> ServerName:
    name = lower_ascii(text) if text.isascii() else _a_labels(text)
    if is_dns_name(name):
        return ServerName("dns", name)
    if "://" in text:
        return ServerName("uri", _canonical_uri(text))
    address = _address(text)
    if address is not None:
        return ServerName("ip", address)
    if is_dns_name(name.removesuffix(".")):
        return ServerName("dns", name.removesuffix("."))
    given = repr(shown(without_user(text)))
    if any(len(each) > LABEL_LIMIT for each in name.split(".")) and is_dns_name(_shortened(name)):
        raise ConfigError(
            f"server_name: {given} has a label of more than {LABEL_LIMIT} characters (RFC 1035 2.3.4)"
        )
    raise ConfigError(
        f"server_name: {given} is not a DNS name, IP address or URI; give the bare host, without port or path"
    )


def _shortened(name: str) -> str:
    """Return a name whose labels that are too long are parts of themselves, each of an allowed length."""
    labels = name.removesuffix(".").split(".")
    return ".".join(each if len(each) <= LABEL_LIMIT else each[:LABEL_LIMIT] for each in labels)


def _a_labels(name: str) -> str:
    if not _DEVIATIONS.isdisjoint(name.lower()):
        raise ConfigError(
            f"server_name: {name!r} means different names in old and new IDNA; give its A-labels (xn--...)"
        )
    try:
        return name.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise ConfigError(f"server_name: {name!r} cannot be written in A-labels (xn--...)") from None


def _address(text: str) -> str | None:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(ip_address(bare.partition("%")[0]))
    except ValueError:
        return None


def _canonical_uri(uri: str) -> str:
    """Return a URI with scheme and authority in lower case; the rest is compared exactly (RFC 3986 6.2.2.1)."""
    scheme, _, rest = uri.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{lower_ascii(scheme)}://{lower_ascii(authority)}{slash}{path}"


def names_of(certificate: ParsedCertificate, work: WorkBudget | None = None) -> Names:
    """Return every name of a certificate; collected once and kept with it.

    work: the budget. Raises OutOfWork where it is used up.
    """
    names = certificate.names
    if work is not None:
        work.spend(WorkStep.NAME, len(certificate.alternative_names or ()))
    if not isinstance(names, Names):
        certificate.names = names = _collected(certificate)
    return names


def _collected(certificate: ParsedCertificate) -> Names:
    kinds: dict[GeneralNameKind, list[str]] = {
        GeneralNameKind.DNS: [],
        GeneralNameKind.IP: [],
        GeneralNameKind.URI: [],
        GeneralNameKind.EMAIL: [],
    }
    for each in certificate.alternative_names or ():
        found = kinds.get(each.kind)
        if found is not None:
            found.append(str(each))
    dns, ip, uri, email = map(tuple, kinds.values())
    return Names(dn_text(certificate.subject), common_name(certificate.subject), dns, ip, uri, email)


def matches(names: Names, wanted: ServerName) -> bool:
    """Whether one of the presented names is the wanted one (RFC 9525 6.3 to 6.5).

    A SPIFFE ID has to be the only URI (X509-SVID 2).
    """
    if wanted.kind == "ip":
        return wanted.text in names.ip
    if wanted.kind == "uri":
        if wanted.text.startswith(SPIFFE) and len(names.uri) != 1:
            return False
        return any(_canonical_uri(each) == wanted.text for each in names.uri)
    return any(map(_dns_matches, map(lower_ascii, names.dns), repeat(wanted.text)))


def _dns_matches(presented: str, wanted: str) -> bool:
    """Compare DNS names; a wildcard matches exactly one whole label, the left-most (RFC 9525 6.3)."""
    if not presented.startswith("*."):
        return presented == wanted and is_dns_name(presented)
    rest = presented[2:]
    return "." in rest and is_dns_name(rest) and wanted.partition(".")[2] == rest


def lookup_names(names: Names) -> tuple[str, ...]:
    """Return the DNS names that can match a wanted one, in lower case; with *. for one more label (RFC 9525 6.3)."""
    return tuple(dict.fromkeys(filter(_can_match, map(lower_ascii, names.dns))))


def _can_match(presented: str) -> bool:
    rest = presented.removeprefix("*.")
    return is_dns_name(rest) and (rest == presented or "." in rest)


def name_reasons(certificate: ParsedCertificate, names: Names, wanted: ServerName) -> list[Reason]:
    """Return the reason where a certificate is not valid for the wanted name; else an empty list.

    That of a CA has no SPIFFE ID of a workload (X509-SVID 5.2).
    """
    of_authority = wanted.text.startswith(SPIFFE) and may_sign_others(certificate)
    if matches(names, wanted) and not of_authority:
        return []
    subject = certificate.subject_text
    if certificate.alternative_names is None:
        kind = {"dns": "DNS", "ip": "IP", "uri": "URI"}[wanted.kind]
        return [Reason(Fault.NO_SERVER_NAMES, 0, subject, {"wanted": f"{kind}:{wanted.text}"})]
    presented = names.dns + names.ip + names.uri or names.email
    if wanted.kind == "ip":  # which a DNS name with the same letters does not match (RFC 9525 6.2)
        presented = tuple(f"the DNS name {each}" if each == wanted.text else each for each in presented)
    if of_authority:
        presented = tuple(f"the CA {each}" for each in presented)
    return [Reason(Fault.NAME_MISMATCH, 0, subject, {"got": presented, "wanted": wanted.text})]


def may_sign_others(certificate: ParsedCertificate) -> bool:
    """Whether a certificate is one of a CA, by its constraints or the usages of its key. Raises ValueError."""
    constraints, usage = certificate.extension(x509.BasicConstraints), certificate.extension(x509.KeyUsage)
    signs = usage is not None and (usage.key_cert_sign or usage.crl_sign)
    return signs or (constraints is not None and constraints.ca)
