"""What public web certificates must be: every rule with a path that breaks it alone, and one that just keeps it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from bothways.errors import ConfigError
from bothways.faults import Fault, Reason
from bothways.trust import files
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.files import certificates_in
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import crls_in
from bothways.trust.crl_store import CRLStore
from bothways.trust.path.web_profile import BASELINE, MOST_REASONS, RULES, WebRule, crl_problem, web_reasons
from bothways.trust.revocation.policy import Revocation
from bothways.trust.verdict import Purpose, Refused, Trusted, Verdict
from bothways.trust.verification import verify as judge
from bothways.trust.work import OutOfWork, WorkBudget
from pki import NOW, Issued, crl, intermediate, issue, key, leaf, name, root
from raw_certificates import Raw, edited

SERVER = "server.example"
Extra = tuple[x509.ExtensionType, bool]
Made = Issued | Raw
KEYS = {"top": key("P-256", 880), "middle": key("P-256", 881), "end": key("P-256", 882)}
ISSUERS = {"top": "top", "middle": "top", "end": "middle"}


def chain(
    *, top: dict[str, Any] | None = None, middle: dict[str, Any] | None = None, **end: Any
) -> tuple[Issued, Issued, Issued]:
    """A leaf, its CA and its root that keep every rule, but for what is changed in them."""
    anchor = root("Web Root", **keyed("top", top or {}))
    ca = intermediate(anchor, "Web CA", **{"serial": 7} | keyed("middle", middle or {}))
    return leaf(ca, **{"subject": SERVER} | end), ca, anchor


def keyed(level: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options of a CA, with the key of its level unless they say another."""
    own = {} if "key_kind" in options else {"own_key": KEYS[level]}
    return own | options


def identifiers(level: str, ski: bool | None, aki: bool | None) -> dict[str, Any]:
    """Key identifiers, each critical or not, or left away."""
    mine, issuer = KEYS[level].public_key(), KEYS[ISSUERS[level]].public_key()
    found: list[Extra] = []
    if ski is not None:
        found.append((x509.SubjectKeyIdentifier.from_public_key(mine), ski))
    if aki is not None:
        found.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), aki))
    return {"own_key": KEYS[level], "key_identifiers": False, "extra": found}


def only_names_the_issuer(level: str) -> dict[str, Any]:
    """An authority key identifier that has the issuer's name and serial number instead of its key's."""
    above, serial = {"end": ("Web Root", 7), "top": ("Web Root", 8)}[level]
    named = x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(name(above))], serial)
    options = identifiers(level, False, None)
    return options | {"extra": [*options["extra"], (named, False)], "serial": 8}


def basic(ca: bool, critical: bool) -> dict[str, Any]:
    return {"ca": None, "extra": [(x509.BasicConstraints(ca, None), critical)]}


def extra(value: x509.ExtensionType, critical: bool) -> dict[str, Any]:
    return {"extra": [(value, critical)]}


def rsa_key(bits: int) -> dict[str, Any]:
    return {"own_key": key(f"RSA-{bits}", 880)}


def common_names(*texts: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text) for text in texts])


def dns(*names: str) -> dict[str, Any]:
    return {"subject": name(None, O="Example"), "alternatives": [f"DNS:{each}" for each in names]}


PERMITTED = x509.NameConstraints([x509.DNSName("example")], None)
POLICIES = x509.PolicyConstraints(None, 0)
CA_USAGE = ("digital_signature", "key_cert_sign")
BACKDATED = {"not_before": datetime(1970, 1, 1, tzinfo=UTC)}
OLD = {"not_before": BASELINE - timedelta(days=1)}
YOUNG = {"not_before": BASELINE}

Options = dict[str, Any]

# rule -> options of `chain` that break it alone, and where
BROKEN: list[tuple[str, int, Options]] = [
    ("alternative-name", 0, {"subject": name(None, O="Example"), "alternatives": []}),
    ("alternative-name", 0, {"subject": name(None, O="Example"), "alternatives": ["URI:spiffe://example/a"]}),
    ("common-name", 0, {"subject": "Payments", "alternatives": [f"DNS:{SERVER}"]}),
    ("common-name", 0, {"subject": "SERVER.example", "alternatives": [f"DNS:{SERVER}"]}),
    ("common-name", 0, {"subject": "192.0.2.010", "alternatives": ["IP:192.0.2.10", f"DNS:{SERVER}"]}),
    ("common-name", 0, {"subject": "2001:DB8::1", "alternatives": ["IP:2001:db8::1", f"DNS:{SERVER}"]}),
    ("common-name", 0, {"subject": common_names(SERVER, "other"), "alternatives": [f"DNS:{SERVER}"]}),
    ("server-auth", 0, {"usage": None}),
    ("server-auth", 0, {"usage": ("clientAuth",)}),
    ("any-extended-key-usage", 0, {"usage": ("serverAuth", "any")}),
    ("ca-server-auth", 1, {"middle": {"usage": ("clientAuth",)}}),
    ("ca-server-auth", 2, {"top": {"usage": ("codeSigning",)}}),
    ("rsa-size", 0, rsa_key(1024)),
    ("rsa-size", 0, rsa_key(2052)),
    ("rsa-size", 1, {"middle": rsa_key(2052)}),
    ("rsa-size", 2, {"top": rsa_key(2052)}),
    ("key-kind", 0, {"key_kind": "P-224"}),
    ("key-kind", 0, {"key_kind": "Ed25519"}),
    ("key-kind", 1, {"middle": {"key_kind": "Ed25519"}}),
    ("key-kind", 2, {"top": {"key_kind": "ML-DSA-44"}}),
    ("authority-key-identifier", 0, identifiers("end", False, None)),
    ("authority-key-identifier", 0, only_names_the_issuer("end")),
    ("authority-key-identifier", 1, {"middle": identifiers("middle", False, None)}),
    ("authority-key-identifier", 2, {"top": only_names_the_issuer("top")}),
    ("critical-authority-key-identifier", 0, identifiers("end", False, True)),
    ("critical-authority-key-identifier", 1, {"middle": identifiers("middle", False, True)}),
    ("critical-authority-key-identifier", 2, {"top": identifiers("top", False, True)}),
    ("subject-key-identifier", 1, {"middle": identifiers("middle", None, False)}),
    ("subject-key-identifier", 2, {"top": identifiers("top", None, False) | YOUNG}),
    ("critical-subject-key-identifier", 1, {"middle": identifiers("middle", True, False)}),
    ("critical-subject-key-identifier", 2, {"top": identifiers("top", True, False) | OLD}),
    ("ca-basic-constraints", 1, {"middle": basic(True, False)}),
    ("ca-basic-constraints", 1, {"middle": {"ca": False}}),
    ("ca-basic-constraints", 2, {"top": basic(True, False) | YOUNG}),
    ("subject-key-identifier", 2, {"top": identifiers("top", None, False) | BACKDATED}),
    ("ca-basic-constraints", 2, {"top": basic(True, False) | BACKDATED}),
    ("ca-as-leaf", 0, {"ca": True}),
    ("ca-as-leaf", 0, basic(True, False)),
    ("ca-key-usage", 1, {"middle": {"key_usage": None}}),
    ("ca-key-usage", 1, {"middle": {"key_usage": ("crl_sign",)}}),
    ("leaf-key-usage", 0, {"key_usage": ("digital_signature", "key_cert_sign")}),
    ("name-constraints", 1, {"middle": extra(PERMITTED, False)}),
    ("name-constraints", 2, {"top": extra(PERMITTED, False)}),
    ("name-constraints-in-leaf", 0, extra(PERMITTED, True)),
    ("name-constraints-in-leaf", 0, extra(PERMITTED, False)),
    ("policy-constraints", 0, extra(POLICIES, False)),
    ("policy-constraints", 1, {"middle": extra(POLICIES, False)}),
    ("policy-constraints", 2, {"top": extra(POLICIES, False)}),
    ("critical-alternative-names", 0, {"critical_alternatives": True}),
    ("critical-alternative-names", 1, {"middle": {"alternatives": ["DN:A"], "critical_alternatives": True}}),
    ("alternative-names-without-subject", 0, {"subject": None, "alternatives": [f"DNS:{SERVER}"]}),
    ("underscore", 0, dns("a_b.example", SERVER)),
    ("underscore", 0, dns("_a.server.example")),
    ("wildcard", 0, dns("*.example", SERVER)),
    ("wildcard", 0, dns("*", SERVER)),
    ("wildcard", 0, dns("*.", SERVER)),
    ("wildcard", 0, dns("*.example.", SERVER)),
    ("wildcard", 0, dns("a*.server.example")),
    ("wildcard", 0, dns("*a.server.example")),
    ("wildcard", 0, dns("server.*.example")),
    ("wildcard", 0, dns("*.*.example")),
]  # fmt: skip

# rule -> options of `chain` that keep it, if barely
KEPT: list[tuple[str, Options]] = [
    ("alternative-name", {"subject": "192.0.2.10", "alternatives": ["IP:192.0.2.10"]}),
    ("common-name", dns(SERVER)),
    ("common-name", {"subject": "2001:db8::1", "alternatives": ["IP:2001:db8::1"]}),
    ("common-name", {"subject": common_names(SERVER, "b.example"), "alternatives": ["DNS:b.example", f"DNS:{SERVER}"]}),
    ("server-auth", {"usage": ("serverAuth",)}),
    ("any-extended-key-usage", {"usage": ("serverAuth", "clientAuth")}),
    ("ca-server-auth", {"middle": {"usage": ("serverAuth", "clientAuth")}}),
    ("ca-server-auth", {"middle": {"usage": ("any",)}, "top": {"usage": ("serverAuth",)}}),
    ("rsa-size", rsa_key(2048)),
    ("rsa-size", {"middle": rsa_key(2056), "top": rsa_key(3072)}),
    ("key-kind", {"key_kind": "P-521", "middle": {"key_kind": "P-384"}}),
    ("authority-key-identifier", {"top": identifiers("top", False, None)}),
    ("critical-authority-key-identifier", identifiers("end", None, False)),
    ("subject-key-identifier", {"top": identifiers("top", None, False) | OLD}),
    ("critical-subject-key-identifier", {"middle": identifiers("middle", False, False)}),
    ("ca-basic-constraints", {"top": basic(True, False) | OLD}),
    ("ca-as-leaf", {"ca": None}),
    ("ca-as-leaf", basic(False, False)),
    ("ca-key-usage", {"top": {"key_usage": None}}),
    ("ca-key-usage", {"middle": {"key_usage": ("key_cert_sign",)}}),
    ("leaf-key-usage", {"key_usage": ("digital_signature",)}),
    ("name-constraints", {"middle": extra(PERMITTED, True)}),
    ("name-constraints-in-leaf", {"top": extra(PERMITTED, True)}),
    ("policy-constraints", {"middle": extra(POLICIES, True)}),
    ("critical-alternative-names", {"middle": {"alternatives": ["DN:A"]}}),
    ("alternative-names-without-subject",
     {"subject": None, "alternatives": [f"DNS:{SERVER}"], "critical_alternatives": True}),
    ("underscore", dns("a-b.example")),
    ("wildcard", dns("*.server.example", SERVER)),
]  # fmt: skip

# serial numbers, in DER, that no builder makes
SERIALS: list[tuple[str, bytes, bool]] = [
    ("serial-number", b"\x00", False),
    ("serial-number", b"\x80", False),
    ("serial-number", b"\x80" * 20, False),
    ("serial-number", b"\x01", True),
    ("serial-number", b"\x00\x80", True),
    ("long-serial-number", b"\x7f" * 20, True),
    ("long-serial-number", b"\x00" + b"\x80" * 20, False),
    ("long-serial-number", b"\x01" * 21, False),
]


def parsed(path: Sequence[Made]) -> list[ParsedCertificate]:
    return [ParsedCertificate(each.der) for each in path]


def reported(reasons: Sequence[Reason]) -> list[tuple[object, int | None]]:
    return [(each.facts["rule"], each.position) for each in reasons]


def judged(path: Sequence[Made], profile: str = "web", **options: Any) -> Verdict:
    *sent, anchor = path
    asked = {"purpose": Purpose.SERVER, "name": None, "at": NOW, "revocation": None, "key_usage": None}
    store = TrustStore([anchor.der], profile=profile)
    return judge([each.der for each in sent], store, **asked | options)


def broken_rules(verdict: Verdict) -> list[tuple[object, int | None]]:
    assert isinstance(verdict, Refused), verdict
    return reported([each for each in verdict.reasons if each.fault is Fault.NOT_A_WEB_CERTIFICATE])


def ids(rows: Sequence[tuple[Any, ...]]) -> Iterator[str]:
    return (f"{row[0]}-{number}" for number, row in enumerate(rows))


@pytest.mark.parametrize(("rule", "position", "options"), BROKEN, ids=ids(BROKEN))
def test_a_violation_is_reported_with_its_rule_and_position(
    rule: str, position: int, options: Options
) -> None:
    """The sources are in the table: BR 7.1.2, RFC 5280 4.2."""
    path = chain(**options)
    assert reported(web_reasons(parsed(path))) == [(rule, position)]
    assert isinstance(judged(path), Refused)


@pytest.mark.parametrize(("rule", "options"), KEPT, ids=ids(KEPT))
def test_a_certificate_that_just_complies_is_trusted(rule: str, options: Options) -> None:
    """The other side of each rule."""
    path = chain(**options)
    assert web_reasons(parsed(path)) == []
    assert isinstance(judged(path), Trusted)


@pytest.mark.parametrize(("rule", "serial", "keeps"), SERIALS, ids=ids(SERIALS))
@pytest.mark.parametrize("position", [0, 1])
def test_serial_numbers_are_positive_and_of_twenty_octets_at_most(
    rule: str, serial: bytes, keeps: bool, position: int
) -> None:
    """RFC 5280 4.1.2.2, BR 7.1.2: in leaves and CAs."""
    path: list[Made] = list(chain())
    path[position] = edited(path[position], serial=bytes((0x02, len(serial))) + serial)
    expected = [] if keeps else [(rule, position)]
    assert reported(web_reasons(parsed(path))) == expected
    assert isinstance(judged(path), Trusted) is keeps


@pytest.mark.parametrize("serial", [b"\x00", b"\xff", b"\x01" * 21])
def test_the_serial_number_of_a_root_does_not_count(serial: bytes) -> None:
    """Public roots of 2009 and 2015 have zero there."""
    *sent, anchor = chain()
    old = edited(anchor, serial=bytes((0x02, len(serial))) + serial)
    assert isinstance(judged([*sent, old]), Trusted)


def explicit_curve(issued: Issued) -> Raw:
    """The same key with the parameters of P-256 in full instead of the curve's name (RFC 5480 2.1.1)."""
    parameters = bytes.fromhex(
        "3081f7020101302c06072a8648ce3d0101022100ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"
        "305b0420ffffffff00000001000000000000000000000000fffffffffffffffffffffffc04205ac635d8aa3a93e7b3ebbd55769886"
        "bc651d06b0cc53b0f63bce3c3e27d2604b031500c49d360886e704936a6678e1139d26b7819f7e900441046b17d1f2e12c4247f8"
        "bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837"
        "bf51f5022100ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551020101"
    )
    spki = ParsedCertificate(issued.der).spki
    algorithm = bytes.fromhex("06072a8648ce3d0201") + parameters
    key_bits = spki[-68:]
    body = bytes.fromhex("3082") + len(algorithm).to_bytes(2, "big") + algorithm + key_bits
    return edited(issued, key=bytes.fromhex("3082") + len(body).to_bytes(2, "big") + body)


def test_explicit_curve_parameters_are_refused() -> None:
    """RFC 5480 2.1.1, BR 7.1.3.1.2: parameters are named curves."""
    sent, *above = chain()
    assert isinstance(judged([explicit_curve(sent), *above]), Refused)


def test_every_rule_has_a_path_that_violates_it_and_one_that_complies() -> None:
    """A rule that no test provokes is deleted."""
    names = {rule.name for rule in RULES}
    assert len(names) == len(RULES)
    by_serial = {(rule, keeps) for rule, _, keeps in SERIALS}
    assert {row[0] for row in BROKEN} | {rule for rule, keeps in by_serial if not keeps} == names
    assert {row[0] for row in KEPT} | {rule for rule, keeps in by_serial if keeps} == names


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_names_its_source_and_makes_a_sentence(rule: WebRule) -> None:
    """CA/Browser Forum Baseline Requirements or an RFC, with the section."""
    assert rule.source.startswith(("BR ", "RFC "))
    assert any(each.isdigit() for each in rule.source)
    assert rule.sentence[0].islower() and not rule.sentence.endswith(".")


def test_the_private_profile_accepts_what_only_the_web_profile_forbids() -> None:
    """docs/defaults.md: RFC 5280 6.1 asks for none of it."""
    elsewhere = {rule.name for rule in RULES if rule.known is not None}
    for rule, _, options in BROKEN:
        if rule not in elsewhere and not rule.endswith("-key-identifier"):
            assert isinstance(judged(chain(**options), "private"), Trusted), rule


def test_faults_of_every_profile_are_not_reported_twice() -> None:
    """A weak key is WEAK_KEY, a leaf for clients WRONG_EXTENDED_KEY_USAGE: nothing is added."""
    verdict = judged(chain(usage=("clientAuth",), **rsa_key(1024)))
    assert isinstance(verdict, Refused)
    assert {each.fault for each in verdict.reasons} == {Fault.WEAK_KEY, Fault.WRONG_EXTENDED_KEY_USAGE}


def test_a_reason_is_shown_with_its_rule_and_source() -> None:
    """Programs use the rule's name, people its sentence and source."""
    verdict = judged(chain(subject="Payments", alternatives=[f"DNS:{SERVER}"]))
    assert isinstance(verdict, Refused)
    [reason] = verdict.reasons
    assert (reason.fault, reason.position) == (Fault.NOT_A_WEB_CERTIFICATE, 0)
    assert (reason.facts["rule"], reason.facts["got"]) == ("common-name", "Payments")
    assert reason.rule == "BR 7.1.4.3"
    assert str(reason) == (
        "certificate 0 (CN=Payments): sent a certificate that breaks a rule of the web profile: "
        "its common name Payments is not one of its subjectAltNames"
    )


def everything_wrong() -> tuple[Issued, Issued, Issued]:
    """Far more violations than are reported."""
    bad = identifiers("middle", True, True) | {"ca": None, "key_usage": None}
    bad["extra"] = [*bad["extra"], (x509.BasicConstraints(True, None), False), (POLICIES, False)]
    end = identifiers("end", None, True) | dns("a_b.example", "*.example") | {"usage": ("any",), "ca": True}
    return chain(middle=bad, **end | {"key_usage": CA_USAGE, "critical_alternatives": True})


def test_the_number_of_reported_violations_is_limited() -> None:
    """A stranger decides how many rules he breaks, not how much is said."""
    reasons = web_reasons(parsed(everything_wrong()))
    assert len(reasons) == MOST_REASONS
    assert [" more rules are broken" in str(each) for each in reasons] == [False] * 7 + [True]
    assert re.search(r", and \d+ more rules are broken$", str(reasons[-1]))


def test_a_certificate_is_checked_by_the_rules_once() -> None:
    """Whatever is remembered of it, and however many paths lead over it."""
    path = parsed(chain())
    work = WorkBudget()
    web_reasons(path, work=work)
    spent = dict(work.spent)
    assert spent
    web_reasons(path, work=work)
    assert work.spent == spent


def test_names_are_charged_before_they_are_checked() -> None:
    """The work of a verification is limited."""
    path = parsed(chain(alternatives=[f"DNS:a{number}.example" for number in range(500)]))
    with pytest.raises(OutOfWork):
        web_reasons(path, work=WorkBudget(200))


def test_a_leaf_that_is_its_own_anchor_is_checked_by_the_rules_for_leaves() -> None:
    """docs/defaults.md: a pinned certificate is checked by what it says."""
    own = leaf(None, SERVER)
    assert isinstance(judged([own, own]), Trusted)
    assert broken_rules(judged([ca := leaf(None, SERVER, ca=True), ca])) == [("ca-as-leaf", 0)]


# -- who is judged by it, and how that is seen -------------------------------------------------------------


def test_clients_are_verified_by_the_private_profile() -> None:
    """The rules are those of servers' certificates; a store may be shared."""
    path = chain(usage=("clientAuth",), alternatives=[])
    verdict = judged(path, purpose=Purpose.CLIENT)
    assert isinstance(verdict, Trusted)
    assert verdict.profile == "private"


@pytest.mark.parametrize("broken", [False, True])
def test_a_verdict_has_its_profile(broken: bool) -> None:
    """In the value and in the finding; of the private profile nothing is said."""
    path = chain(usage=None) if broken else chain()
    assert judged(path).profile == "web"
    assert judged(path).findings[0].text.endswith(" (by the web profile)")
    private = judged(path, "private")
    assert private.profile == "private"
    assert "profile" not in private.findings[0].text


def test_a_store_shows_its_profile() -> None:
    """A log of a configuration shows its rules."""
    _, _, anchor = chain()
    for store in (
        TrustStore.from_pem(anchor.pem, profile="web"),
        TrustStore.from_certificates([anchor.certificate], profile="web"),
    ):
        assert repr(store) == "<TrustStore of 1, web profile: CN=Web Root>"
        assert store.profile == "web"
    assert repr(TrustStore.from_pem(anchor.pem)) == "<TrustStore of 1: CN=Web Root>"


def test_a_store_is_read_from_files_under_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN: from_file and system take the same choice."""
    file = tmp_path / "ca.pem"
    file.write_bytes(chain()[2].pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert TrustStore.from_file(file, profile="web").profile == "web"
    assert TrustStore.system(profile="web").profile == "web"
    assert TrustStore.system().profile == "private"


@pytest.mark.parametrize("profile", ["public", "", "Web", None])
def test_an_unknown_profile_is_refused_with_the_choices(profile: Any) -> None:
    """ConfigError when it is made, never in a handshake."""
    with pytest.raises(ConfigError, match="is not a profile; expected private or web"):
        TrustStore.from_pem(chain()[2].pem, profile=profile)


# -- CRLs --------------------------------------------------------------------------------------------------

POINTS: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"number": None}, False),
    ({"number": None, "extra": [(x509.CRLNumber(7), True)]}, False),
    ({"number": None, "extra": [(x509.CRLNumber(7), False)]}, True),
]


@pytest.mark.parametrize(("options", "good"), POINTS)
def test_a_crl_without_a_number_proves_nothing_good(options: dict[str, Any], good: bool) -> None:
    """RFC 5280 5.2.3, BR 7.2.2: there, and not critical."""
    path = chain()
    _, ca, anchor = path
    lists = [*crls_in(crl(ca, **options), "ca"), *crls_in(crl(anchor), "root")]
    revocation = Revocation(crls=CRLStore(lists))
    verdict = judged(path, revocation=revocation)
    assert isinstance(verdict, Trusted) is good
    if isinstance(verdict, Refused):
        [reason] = verdict.reasons
        assert reason.fault is Fault.REVOCATION_UNKNOWN
        assert "CRL number" in str(reason) and "web profile" in str(reason)
    assert isinstance(judged(path, "private", revocation=revocation), Trusted)


def test_a_crl_without_a_number_proves_revoked_all_the_same() -> None:
    """What is against a certificate counts, however it is said."""
    path = chain()
    end, ca, anchor = path
    lists = [*crls_in(crl(ca, end, number=None), "ca"), *crls_in(crl(anchor), "root")]
    verdict = judged(path, revocation=Revocation(crls=CRLStore(lists)))
    assert isinstance(verdict, Refused)
    assert [each.fault for each in verdict.reasons] == [Fault.REVOKED]


@pytest.mark.parametrize(
    ("number", "critical", "good"), [(0, False, True), (1, True, False), (None, False, False)]
)
def test_a_crl_number_is_there_and_not_critical(number: int | None, critical: bool, good: bool) -> None:
    """RFC 5280 5.2.3."""
    assert (crl_problem(number, critical=critical) is None) is good


def test_a_delta_with_a_critical_number_proves_nothing_good_and_still_revokes() -> None:
    """RFC 5280 5.2.3: the same applies to a delta CRL, and its revocations count."""
    path = chain()
    end, ca, anchor = path
    for revoked, fault in (((), Fault.REVOCATION_UNKNOWN), ((end,), Fault.REVOKED)):
        delta = crl(ca, *revoked, number=None, base=1, extra=[(x509.CRLNumber(2), True)])
        lists = CRLStore([each for der in (crl(ca), delta, crl(anchor)) for each in crls_in(der, "test")])
        verdict = judged(path, revocation=Revocation(crls=lists))
        assert isinstance(verdict, Refused)
        assert [each.fault for each in verdict.reasons] == [fault]


# -- the roots that there are ------------------------------------------------------------------------------


def roots_of_this_system() -> list[ParsedCertificate]:
    """Whom this system trusts, of which an operator may have added some."""
    try:
        ders = certificates_in(files.content(files.system_bundle()), "system")
    except ConfigError as error:
        pytest.skip(str(error))
    return [ParsedCertificate(der) for der in ders]


def test_the_roots_of_this_system_comply_with_the_rules() -> None:
    """A profile that refuses the public roots would be useless; one in fifty may be an operator's own."""
    roots = roots_of_this_system()
    end, ca, _ = parsed(chain())
    refused = [
        (each.subject_text, reported(found)) for each in roots if (found := web_reasons([end, ca, each]))
    ]
    assert len(refused) <= len(roots) / 50, refused
    assert len(TrustStore([each.der for each in roots], profile="web")) > 0


def alike(public: x509.Certificate) -> Issued:
    """A root of ours with name, dates and extensions of a public one."""
    extensions = [(each.value, each.critical) for each in public.extensions]
    times = {"not_before": public.not_valid_before_utc, "not_after": datetime(2050, 1, 1, tzinfo=UTC)}
    options = {"key_identifiers": False, "ca": None, "key_usage": None, "extra": extensions}
    return issue(public.subject, None, **options | times)


def test_a_server_below_a_root_like_the_public_ones_is_trusted() -> None:
    """Their names, dates and extensions, with keys of ours."""
    for each in sorted(roots_of_this_system(), key=lambda each: each.not_before)[:40]:
        anchor = alike(each.x509)
        assert isinstance(judged([leaf(anchor, SERVER), anchor]), Trusted), each.subject_text
