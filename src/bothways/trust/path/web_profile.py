"""The rules for public web certificates beyond RFC 5280 6: the table of `profile="web"`.

Only servers are verified by it. BR are the CA/Browser Forum's Baseline Requirements for TLS server certificates,
version 2.2. Public root stores contain roots that are older than a rule; each rule says since when roots comply.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from bothways.faults import Fault, Reason, sentence
from bothways.trust.certificate.parsed import EMPTY_NAME, ParsedCertificate
from bothways.trust.der import SEQUENCE, expect_element
from bothways.trust.names.distinguished import attributes, string
from bothways.trust.path.constraints import CURVES, MIN_RSA_BITS
from bothways.trust.path.name_matching import names_of
from bothways.trust.work import WorkBudget, WorkStep

MOST_REASONS = 8
LONGEST_SERIAL = 20
ALWAYS = datetime.min.replace(tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)
# A root with an earlier notBefore was not made then: there were no extensions.
X509_VERSION_3 = datetime(1996, 1, 1, tzinfo=UTC)
# The effective date of version 1.0 of the Baseline Requirements.
BASELINE = datetime(2012, 7, 1, tzinfo=UTC)

_SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH
_ANY_USAGE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
_COMMON_NAME = b"\x55\x04\x03"
_NAMED_CURVES = (  # P-256, P-384, P-521: the exact octets of BR 7.1.3.1.2
    bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107"),
    bytes.fromhex("301006072a8648ce3d020106052b81040022"),
    bytes.fromhex("301006072a8648ce3d020106052b81040023"),
)
_LEAST_ATTRIBUTE = 11  # octets of a relative distinguished name with an empty common name
_NAMES_PER_CHECK = 16  # so many names take as long as one `Step.CHECK`

# Returns what in a certificate violates a rule (True where there is nothing to show), or None; the second argument is
# whether the certificate is the trust anchor of the path.
Check = Callable[[ParsedCertificate, bool], object]


@dataclass(frozen=True, slots=True)
class WebRule:
    """One rule: its name for programs, its source, and the sentence for a certificate that violates it.

    binds: the leaf, the CAs above it, or all.  broken: returns what violates the rule.  known: the fault of every
    profile for the same violation; where it is reported already, the rule adds nothing.  roots_since: a trust anchor
    above the leaf is exempt if its notBefore is earlier.
    """

    name: str
    source: str
    sentence: str
    binds: Literal["leaf", "CAs", "all"]
    broken: Check
    known: Fault | None = None
    roots_since: datetime = ALWAYS

    def binds_at(self, certificate: ParsedCertificate, position: int, *, anchor: bool) -> bool:
        """Whether the rule applies to a certificate at its position in a path."""
        if self.binds == ("CAs" if position == 0 else "leaf"):
            return False
        if position == 0 or not anchor:
            return True
        is_old = X509_VERSION_3 <= certificate.not_before < self.roots_since
        return self.roots_since != NEVER and not is_old


class Problem:
    """The violation of a rule, converted to text when it is shown."""

    __slots__ = ("_got", "_more", "_sentence")

    def __init__(self, text: str, got: object, more: int = 0) -> None:
        """Take the sentence of a rule, the violating value, and the number of violations that are not reported."""
        self._sentence = text
        self._got = got
        self._more = more

    def __str__(self) -> str:
        more = f", and {self._more} more rules are broken" if self._more else ""
        return sentence(self._sentence, {"got": self._got}) + more


Violation = tuple[WebRule, object]


def web_reasons(
    path: Sequence[ParsedCertificate], known: Collection[Reason] = (), work: WorkBudget | None = None
) -> list[Reason]:
    """Return the reasons against a path, from a server's leaf to the trust anchor, by the rules of the table.

    At most `MOST_REASONS` are reported; the last one has the number of the others.  known: earlier reasons against
    the path.  work: the budget. Raises OutOfWork where it is used up; a certificate is checked once.
    """
    refused = {(each.fault, each.position) for each in known}
    last = len(path) - 1
    broken = [
        (position, rule, got)
        for position, certificate in enumerate(path)
        for rule, got in violations(certificate, position, anchor=position == last, work=work)
        if (rule.known, position) not in refused
    ]
    reported = broken[:MOST_REASONS]
    if work is not None:
        work.spend(WorkStep.REASON, len(reported))
    reasons: list[Reason] = []
    for position, rule, got in reported:
        more = len(broken) - len(reported) if len(reasons) == MOST_REASONS - 1 else 0
        problem = Problem(rule.sentence, got, more)
        facts = {"rule": rule.name, "source": rule.source, "got": got, "problem": problem}
        reasons.append(Reason(Fault.NOT_A_WEB_CERTIFICATE, position, path[position].subject_text, facts))
    return reasons


def violations(
    certificate: ParsedCertificate, position: int, *, anchor: bool, work: WorkBudget | None = None
) -> tuple[Violation, ...]:
    """Return the rules that a certificate violates at its position in a path, each with the violating value."""
    known_violations = certificate.violations
    if known_violations is None:
        known_violations = certificate.violations = {}
    found = known_violations.get((position > 0, anchor))
    if found is None:
        if work is not None:
            names = names_of(certificate, work if position else None)
            attributes_at_most = len(certificate.subject) // _LEAST_ATTRIBUTE
            work.spend(
                WorkStep.CHECK, 1 + (len(names.dns) + len(names.ip) + attributes_at_most) / _NAMES_PER_CHECK
            )
        found = known_violations[position > 0, anchor] = tuple(_violations(certificate, position, anchor))
    return found


def _violations(certificate: ParsedCertificate, position: int, anchor: bool) -> Iterator[Violation]:
    for rule in RULES:
        if rule.binds_at(certificate, position, anchor=anchor):
            got = rule.broken(certificate, anchor)
            if got is not None:
                yield rule, got


def crl_problem(number: int | None, *, critical: bool) -> str | None:
    """Return why the web profile refuses a CRL with this number, or None (RFC 5280 5.2.3, BR 7.2.2).

    critical: whether the CRL number extension is critical.
    """
    if number is None:
        return "has no CRL number, which the web profile requires (RFC 5280 5.2.3)"
    return "has a critical CRL number, which the web profile refuses (RFC 5280 5.2.3)" if critical else None


# -- the checks of the rules --------------------------------------------------------------------------------


def _critical(certificate: ParsedCertificate, kind: type[x509.ExtensionType]) -> bool | None:
    """Whether the extension of a kind is critical; None where it is absent."""
    found = certificate.extensions.get(kind.oid)
    return None if found is None else found.critical


def _is_critical(kind: type[x509.ExtensionType]) -> Check:
    return lambda certificate, _: _critical(certificate, kind) or None


def _is_not_critical(kind: type[x509.ExtensionType]) -> Check:
    return lambda certificate, _: True if _critical(certificate, kind) is False else None


def _no_alternative_name(certificate: ParsedCertificate, _: bool) -> object:
    names = names_of(certificate)
    return None if names.dns or names.ip else True


def _common_name_alone(certificate: ParsedCertificate, _: bool) -> object:
    names = names_of(certificate)
    alternatives = frozenset(names.dns + names.ip)
    return next((each for each in _common_names(certificate) if each not in alternatives), None)


def _common_names(certificate: ParsedCertificate) -> Iterator[str]:
    for relative in attributes(certificate.subject):
        for kind, tag, value in relative:
            if kind == _COMMON_NAME:
                yield string(tag, value)


def _no_server_auth(certificate: ParsedCertificate, _: bool) -> object:
    usages = certificate.extension(x509.ExtendedKeyUsage)
    return None if usages is not None and _SERVER_AUTH in usages else True


def _any_usage(certificate: ParsedCertificate, _: bool) -> object:
    usages = certificate.extension(x509.ExtendedKeyUsage)
    return True if usages is not None and _ANY_USAGE in usages else None


def _allows_no_servers(certificate: ParsedCertificate, _: bool) -> object:
    usages = certificate.extension(x509.ExtendedKeyUsage)
    return None if usages is None or _SERVER_AUTH in usages or _ANY_USAGE in usages else True


def _rsa_size(certificate: ParsedCertificate, _: bool) -> object:
    key = certificate.key
    if not isinstance(key, rsa.RSAPublicKey) or (key.key_size >= MIN_RSA_BITS and key.key_size % 8 == 0):
        return None
    return key.key_size


def _other_key(certificate: ParsedCertificate, _: bool) -> object:
    key = certificate.key
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in CURVES:
            return key.curve.name
        return (
            None if _algorithm(certificate.spki) in _NAMED_CURVES else f"{key.curve.name} by its parameters"
        )
    return None if isinstance(key, rsa.RSAPublicKey) else type(key).__name__.removesuffix("PublicKey")


def _algorithm(spki: bytes) -> bytes:
    at, end = expect_element(spki, 0, len(spki), SEQUENCE, "subjectPublicKeyInfo")
    _, stop = expect_element(spki, at, end, SEQUENCE, "algorithm")
    return spki[at:stop]


def _no_authority_key(certificate: ParsedCertificate, anchor: bool) -> object:
    if certificate.authority_key_identifier is not None:
        return None
    is_there = _critical(certificate, x509.AuthorityKeyIdentifier) is not None
    return None if anchor and certificate.is_self_issued and not is_there else True


def _no_subject_key(certificate: ParsedCertificate, _: bool) -> object:
    return True if certificate.subject_key_identifier is None else None


def _no_critical_basic_constraints(certificate: ParsedCertificate, _: bool) -> object:
    basic = certificate.extension(x509.BasicConstraints)
    return None if basic is not None and basic.ca and _critical(certificate, x509.BasicConstraints) else True


def _is_ca(certificate: ParsedCertificate, _: bool) -> object:
    basic = certificate.extension(x509.BasicConstraints)
    return True if basic is not None and basic.ca else None


def _may_not_sign(certificate: ParsedCertificate, _: bool) -> object:
    usage = certificate.extension(x509.KeyUsage)
    return None if usage is not None and usage.key_cert_sign else True


def _may_sign(certificate: ParsedCertificate, _: bool) -> object:
    usage = certificate.extension(x509.KeyUsage)
    return True if usage is not None and usage.key_cert_sign else None


def _constrains_names(certificate: ParsedCertificate, _: bool) -> object:
    return None if _critical(certificate, x509.NameConstraints) is None else True


def _critical_names_beside_subject(certificate: ParsedCertificate, _: bool) -> object:
    beside = certificate.subject != EMPTY_NAME
    return True if beside and _critical(certificate, x509.SubjectAlternativeName) else None


def _names_instead_of_subject(certificate: ParsedCertificate, _: bool) -> object:
    critical = _critical(certificate, x509.SubjectAlternativeName)
    return True if certificate.subject == EMPTY_NAME and critical is False else None


def _serial_is_not_positive(certificate: ParsedCertificate, _: bool) -> object:
    number = int.from_bytes(certificate.serial[:1], "big", signed=True)
    return None if number > 0 or (number == 0 and any(certificate.serial)) else True


def _long_serial(certificate: ParsedCertificate, _: bool) -> object:
    return len(certificate.serial) if len(certificate.serial) > LONGEST_SERIAL else None


def _underscore(certificate: ParsedCertificate, _: bool) -> object:
    return next((each for each in names_of(certificate).dns if "_" in each), None)


def _odd_wildcard(certificate: ParsedCertificate, _: bool) -> object:
    return next((each for each in names_of(certificate).dns if "*" in each and not _is_wildcard(each)), None)


def _is_wildcard(name: str) -> bool:
    """Whether a name is a wildcard over at least two labels (RFC 9525 6.3, BR 1.6.1)."""
    first, _, rest = name.partition(".")
    return first == "*" and "*" not in rest and "." in rest and all(rest.split("."))


RULES: tuple[WebRule, ...] = (
    WebRule(
        "alternative-name",
        "BR 7.1.2.7.12; RFC 9525 6.3",
        "it has no subjectAltName that is a DNS name or an IP address",
        "leaf", _no_alternative_name, Fault.NO_SERVER_NAMES,
    ),
    WebRule(
        "common-name",
        "BR 7.1.4.3",
        "its common name {got} is not one of its subjectAltNames",
        "leaf", _common_name_alone,
    ),
    WebRule(
        "server-auth",
        "BR 7.1.2.7.10; RFC 5280 4.2.1.12",
        "its extended key usage is absent or lacks serverAuth",
        "leaf", _no_server_auth, Fault.WRONG_EXTENDED_KEY_USAGE,
    ),
    WebRule(
        "any-extended-key-usage",
        "BR 7.1.2.7.10",
        "its extended key usage has anyExtendedKeyUsage",
        "leaf", _any_usage,
    ),
    WebRule(
        "ca-server-auth",
        "BR 7.1.2.2.4, 7.1.2.10.6; RFC 5280 4.2.1.12",
        "the extended key usage of this CA does not allow server authentication",
        "CAs", _allows_no_servers, Fault.WRONG_EXTENDED_KEY_USAGE,
    ),
    WebRule(
        "rsa-size",
        "BR 6.1.5",
        "its RSA key has {got} bits, where 2048 or more and a multiple of 8 are required",
        "all", _rsa_size, Fault.WEAK_KEY,
    ),
    WebRule(
        "key-kind",
        "BR 6.1.5, 7.1.3.1; RFC 5480 2.1.1",
        "its key is of the type {got}, where RSA, P-256, P-384 or P-521 is required",
        "all", _other_key, Fault.WEAK_KEY,
    ),
    WebRule(
        "authority-key-identifier",
        "BR 7.1.2.11.1; RFC 5280 4.2.1.1",
        "it has no authority key identifier, or one without a key identifier",
        "all", _no_authority_key,
    ),
    WebRule(
        "critical-authority-key-identifier",
        "BR 7.1.2.7.6, 7.1.2.10; RFC 5280 4.2.1.1",
        "its authority key identifier is critical",
        "all", _is_critical(x509.AuthorityKeyIdentifier),
    ),
    WebRule(
        "subject-key-identifier",
        "BR 7.1.2.6.1; RFC 5280 4.2.1.2",
        "this CA has no subject key identifier",
        "CAs", _no_subject_key, roots_since=BASELINE,
    ),
    WebRule(
        "critical-subject-key-identifier",
        "BR 7.1.2.6.1; RFC 5280 4.2.1.2",
        "the subject key identifier of this CA is critical",
        "CAs", _is_critical(x509.SubjectKeyIdentifier),
    ),
    WebRule(
        "ca-basic-constraints",
        "BR 7.1.2.6.1, 7.1.2.10.4; RFC 5280 4.2.1.9",
        "this CA has no critical basic constraints with cA TRUE",
        "CAs", _no_critical_basic_constraints, Fault.NOT_A_CA, roots_since=BASELINE,
    ),
    WebRule(
        "ca-as-leaf",
        "BR 7.1.2.7.8",
        "it is the certificate of a CA, which is not valid for a server",
        "leaf", _is_ca,
    ),
    WebRule(
        "ca-key-usage",
        "BR 7.1.2.10.7; RFC 5280 4.2.1.3",
        "the key usage of this CA is absent or lacks keyCertSign",
        "CAs", _may_not_sign, Fault.KEY_MAY_NOT_SIGN_CERTIFICATES, roots_since=NEVER,
    ),
    WebRule(
        "leaf-key-usage",
        "BR 7.1.2.7.11; RFC 5280 4.2.1.9",
        "its key usage has keyCertSign, which is for CAs",
        "leaf", _may_sign,
    ),
    WebRule(
        "name-constraints",
        "RFC 5280 4.2.1.10",
        "the name constraints of this CA are not critical",
        "CAs", _is_not_critical(x509.NameConstraints),
    ),
    WebRule(
        "name-constraints-in-leaf",
        "BR 7.1.2.7.6; RFC 5280 4.2.1.10",
        "it is not a CA and has name constraints",
        "leaf", _constrains_names,
    ),
    WebRule(
        "policy-constraints",
        "RFC 5280 4.2.1.11",
        "its policy constraints are not critical",
        "all", _is_not_critical(x509.PolicyConstraints),
    ),
    WebRule(
        "critical-alternative-names",
        "BR 7.1.2.7.12; RFC 5280 4.2.1.6",
        "its subjectAltName is critical although it has a subject",
        "all", _critical_names_beside_subject,
    ),
    WebRule(
        "alternative-names-without-subject",
        "BR 7.1.2.7.12; RFC 5280 4.2.1.6",
        "its subjectAltName is not critical although its subject is empty",
        "all", _names_instead_of_subject,
    ),
    WebRule(
        "serial-number",
        "BR 7.1.2.7; RFC 5280 4.1.2.2",
        "its serial number is zero or negative",
        "all", _serial_is_not_positive, roots_since=NEVER,
    ),
    WebRule(
        "long-serial-number",
        "BR 7.1.2.7; RFC 5280 4.1.2.2",
        "its serial number has {got} octets, more than 20",
        "all", _long_serial, roots_since=NEVER,
    ),
    WebRule(
        "underscore",
        "BR 7.1.2.7.12; RFC 5280 4.2.1.6",
        "its DNS name {got} has an underscore",
        "leaf", _underscore,
    ),
    WebRule(
        "wildcard",
        "BR 1.6.1, 7.1.2.7.12; RFC 9525 6.3",
        "its DNS name {got} has a wildcard that is not its whole first label, or that spans less than two labels",
        "leaf", _odd_wildcard,
    ),
)  # fmt: skip
