"""Generated chains, judged by us and by three others: every difference stands in a table with its reason.

A chain is a root, an intermediate and a server's leaf, changed in up to two ways. `CHANGES` says of each
change whether the chain is still acceptable, by the RFCs or docs/defaults.md; it is if all its changes are.
`DIFFERENT` says where others see a change otherwise, and why.
"""

from __future__ import annotations

import json
import random
import subprocess
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_network
from itertools import combinations
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import verification

from bothways.trust.anchors import TrustStore
from bothways.trust.path import judge
from bothways.trust.verdict import Purpose, Trusted
from interop.peers import find
from pki import DAY, NOW, Issued, intermediate, key, leaf, name, root

SERVER = "server.example"
SAMPLE, SEED = 120, 5280
FULL = 3000


@dataclass
class Plan:
    """What a chain is made of; a change edits it."""

    top: dict[str, object] = field(default_factory=dict)
    middle: dict[str, object] = field(default_factory=dict)
    end: dict[str, object] = field(default_factory=dict)
    extra: dict[str, list] = field(default_factory=lambda: {"top": [], "middle": [], "end": []})
    sent: list[Callable[[list[Issued]], list[Issued]]] = field(default_factory=list)


@dataclass(frozen=True)
class Made:
    """A chain as it is sent, and its anchor."""

    chain: tuple[Issued, ...]
    anchor: Issued


def make(changes: tuple[str, ...]) -> Made:
    plan = Plan()
    for change in changes:
        CHANGES[change][0](plan)
    top = root("Top", extra=plan.extra["top"], **plan.top)
    middle = intermediate(top, "Middle", extra=plan.extra["middle"], **plan.middle)
    end = leaf(middle, SERVER, extra=plan.extra["end"], **plan.end)
    sent = [end, middle]
    for edit in plan.sent:
        sent = edit(sent)
    return Made(tuple(sent), top)


def option(level: str, **options: object) -> Callable[[Plan], None]:
    return lambda plan: getattr(plan, level).update(options)


def extension(level: str, value: x509.ExtensionType, critical: bool) -> Callable[[Plan], None]:
    return lambda plan: plan.extra[level].append((value, critical))


def sending(edit: Callable[[list[Issued]], list[Issued]]) -> Callable[[Plan], None]:
    return lambda plan: plan.sent.append(edit)


def names(*permitted: x509.GeneralName, excluded: tuple[x509.GeneralName, ...] = ()) -> x509.NameConstraints:
    return x509.NameConstraints(list(permitted) or None, list(excluded) or None)


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
POLICY = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)])
CA_USAGE = ("key_cert_sign", "crl_sign")

# change -> (how, acceptable)
CHANGES: dict[str, tuple[Callable[[Plan], None], bool]] = {
    "nothing": (lambda _: None, True),
    # validity
    "leaf expired": (option("end", not_before=NOW - 9 * DAY, not_after=NOW - DAY), False),
    "leaf not yet valid": (option("end", not_before=NOW + DAY), False),
    "intermediate expired": (option("middle", not_before=NOW - 9 * DAY, not_after=NOW - DAY), False),
    "intermediate not yet valid": (option("middle", not_before=NOW + DAY), False),
    "anchor expired": (option("top", not_before=NOW - 9 * DAY, not_after=NOW - DAY), False),
    # path
    "leaf altered": (option("end", broken=True), False),
    "intermediate altered": (option("middle", broken=True), False),
    "leaf signed by another key": (option("end", signed_by=key("P-256", 900), digest="SHA256"), False),
    "intermediate missing": (sending(lambda sent: sent[:1]), False),
    "leaf names another issuer": (option("end", issuer_name=name("Nobody")), False),
    "anchor sent too": (sending(lambda sent: [*sent, *sent[-1].above[:1]]), True),
    "stranger sent too": (sending(lambda sent: [*sent, root("Stranger")]), True),
    "intermediate sent twice": (sending(lambda sent: [*sent, sent[-1]]), True),
    "issuer named in capitals": (option("end", issuer_name=name("MIDDLE")), True),
    "no key identifiers": (
        lambda plan: [each.update(key_identifiers=False) for each in (plan.top, plan.middle, plan.end)],
        True,
    ),
    "no key identifiers in the leaf": (option("end", key_identifiers=False), True),
    # what a CA must be
    "intermediate without basic constraints": (option("middle", ca=None), False),
    "intermediate is no CA": (option("middle", ca=False), False),
    "intermediate may not sign": (option("middle", key_usage=("crl_sign",)), False),
    "intermediate without key usage": (option("middle", key_usage=None), True),
    "anchor without key usage": (option("top", key_usage=None), True),
    "anchor without basic constraints": (option("top", ca=None), False),
    "anchor is no CA": (option("top", ca=False), False),
    "anchor may not sign": (option("top", key_usage=("crl_sign",)), False),
    "anchor allows one intermediate": (option("top", path_length=1), True),
    "anchor allows no intermediate": (option("top", path_length=0), False),
    "intermediate allows no CA below": (option("middle", path_length=0), True),
    # what a key may be used for
    "leaf for clients": (option("end", usage=("clientAuth",)), False),
    "leaf without extended key usage": (option("end", usage=None), True),
    "leaf for any usage": (option("end", usage=("any",)), True),
    "intermediate for clients": (option("middle", usage=("clientAuth",)), False),
    "intermediate for servers": (option("middle", usage=("serverAuth",)), True),
    "intermediate for any usage": (option("middle", usage=("any",)), True),
    "anchor for clients": (option("top", usage=("clientAuth",)), False),
    "leaf that may not sign": (option("end", key_usage=("key_agreement",)), False),
    "leaf without key usage": (option("end", key_usage=None), True),
    "leaf is a CA": (option("end", ca=True, key_usage=("digital_signature", *CA_USAGE)), True),
    "leaf without basic constraints": (option("end", ca=None), True),
    # extensions
    "leaf with an unknown critical extension": (extension("end", UNKNOWN, True), False),
    "intermediate with an unknown critical extension": (extension("middle", UNKNOWN, True), False),
    "leaf with an unknown extension": (extension("end", UNKNOWN, False), True),
    "leaf under a policy": (extension("end", POLICY, False), True),
    "intermediate demands a policy": (extension("middle", x509.PolicyConstraints(0, None), True), False),
    # names
    "leaf for another name": (option("end", alternatives=["DNS:other.example"]), False),
    "leaf for a wildcard": (option("end", alternatives=["DNS:*.example"]), False),
    "leaf with a common name alone": (option("end", alternatives=[]), False),
    "leaf with critical names": (option("end", critical_alternatives=True), True),
    "leaf in capitals": (option("end", alternatives=["DNS:SERVER.example"]), True),
    "leaf with more names": (
        option("end", alternatives=["DNS:b.example", f"DNS:{SERVER}", "IP:192.0.2.1", "URI:spiffe://example/a"]),
        True,
    ),
    "permitted DNS name": (extension("middle", names(x509.DNSName("example")), True), True),
    "permitted other DNS name": (extension("middle", names(x509.DNSName("other.example")), True), False),
    "excluded DNS name": (extension("middle", names(excluded=(x509.DNSName(SERVER),)), True), False),
    "excluded other DNS name": (
        extension("middle", names(excluded=(x509.DNSName("a.example"),)), True), True,
    ),
    "permitted address": (extension("middle", names(x509.IPAddress(ip_network("192.0.2.0/24"))), True), True),
    "anchor permits other DNS name": (extension("top", names(x509.DNSName("other.example")), True), False),
    "permitted directory name": (
        extension("middle", names(x509.DirectoryName(name(SERVER))), True), True,
    ),
    "permitted other directory name": (
        extension("middle", names(x509.DirectoryName(name("other"))), True), False,
    ),
    # keys and hashes
    "leaf with RSA": (option("end", key_kind="RSA-2048"), True),
    "leaf with weak RSA": (option("end", key_kind="RSA-1024"), False),
    "leaf with P-224": (option("end", key_kind="P-224"), False),
    "leaf with P-521": (option("end", key_kind="P-521"), True),
    "leaf with Ed25519": (option("end", key_kind="Ed25519"), True),
    "intermediate with RSA": (option("middle", key_kind="RSA-2048"), True),
    "intermediate with Ed25519": (option("middle", key_kind="Ed25519"), True),
    "intermediate with weak RSA": (option("middle", key_kind="RSA-1024"), False),
    "leaf signed with SHA-1": (
        lambda plan: (plan.middle.update(key_kind="RSA-2048"), plan.end.update(digest="SHA1")), False,
    ),
    "leaf signed with SHA-512": (option("end", digest="SHA512"), True),
}  # fmt: skip

WEB = "its profile is that of the web PKI (CA/Browser Forum), which asks for more than RFC 5280"
IDENTIFIERS = "it insists on what RFC 5280 4.2.1.1 asks of CAs, which a relying party need not"
SIGNING = "it leaves to TLS whether the leaf's key usage has digitalSignature; our verdict includes it"
KEYS = "it sets no lower bound there; ours is RFC 9325 4.5, and the curves that TLS 1.3 signs with"
EXACT = "it compares distinguished names byte for byte, not by RFC 5280 7.1"
USAGE = (
    "it does not take anyExtendedKeyUsage for serverAuth; RFC 5280 4.2.1.12 leaves that to the application"
)
CA_KEY_USAGE = (
    "it insists that a CA has a key usage; RFC 5280 4.2.1.3 asks CAs for it, absence restricts nothing"
)
WILDCARD = "it lets a wildcard stand for a label right below the top level; ours asks for two labels after it"
DIRECTORY = "it cannot process constraints on directory names and refuses them, as RFC 5280 4.2 demands of it"

# (who, change) -> why they see it otherwise
DIFFERENT: dict[tuple[str, str], str] = {
    ("cryptography", "issuer named in capitals"): EXACT,
    ("cryptography", "no key identifiers"): WEB,
    ("cryptography", "no key identifiers in the leaf"): WEB,
    ("cryptography", "intermediate without key usage"): WEB,
    ("cryptography", "anchor without key usage"): WEB,
    ("cryptography", "leaf for any usage"): USAGE,
    ("cryptography", "leaf that may not sign"): SIGNING,
    ("cryptography", "leaf is a CA"): WEB,
    ("cryptography", "leaf for a wildcard"): WILDCARD,
    ("cryptography", "leaf with critical names"): WEB,
    ("cryptography", "permitted directory name"): DIRECTORY,
    ("cryptography", "leaf with weak RSA"): KEYS,
    ("cryptography", "leaf with P-224"): KEYS,
    ("cryptography", "intermediate with Ed25519"): WEB,
    ("openssl", "no key identifiers"): IDENTIFIERS,
    ("openssl", "no key identifiers in the leaf"): IDENTIFIERS,
    ("openssl", "intermediate without key usage"): CA_KEY_USAGE,
    ("openssl", "anchor without key usage"): CA_KEY_USAGE,
    ("openssl", "leaf for any usage"): USAGE,
    ("openssl", "intermediate for any usage"): USAGE,
    ("openssl", "leaf that may not sign"): SIGNING,
    ("openssl", "intermediate demands a policy"): "it processes policies only when asked to (-policy_check)",
    (
        "openssl",
        "leaf with a common name alone",
    ): "it falls back to the common name, which RFC 9525 6.3 forbids",
    (
        "openssl",
        "leaf with P-224",
    ): "at security level 2 it takes 112 bits, which P-224 has; TLS 1.3 has no scheme for it",
    ("go", "issuer named in capitals"): EXACT,
    ("go", "leaf that may not sign"): SIGNING,
    ("go", "leaf for a wildcard"): WILDCARD,
    ("go", "permitted directory name"): DIRECTORY,
    ("go", "leaf with weak RSA"): KEYS,
    ("go", "leaf with P-224"): KEYS,
    ("go", "intermediate with weak RSA"): KEYS,
}


def ours(made: Made) -> bool:
    verdict = judge(
        [each.der for each in made.chain],
        TrustStore.from_pem(made.anchor.pem),
        purpose=Purpose.SERVER,
        name=SERVER,
        at=NOW,
    )
    return isinstance(verdict, Trusted)


def by_cryptography(made: Made) -> bool:
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store([made.anchor.certificate]))
        .time(NOW)
        .build_server_verifier(x509.DNSName(SERVER))
    )
    try:
        verifier.verify(made.chain[0].certificate, [each.certificate for each in made.chain[1:]])
    except verification.VerificationError:
        return False
    return True


def by_openssl(made: Made, directory: Path) -> bool:
    files = {"leaf.pem": made.chain[:1], "others.pem": made.chain[1:], "anchor.pem": (made.anchor,)}
    for file, issued in files.items():
        (directory / file).write_bytes(b"".join(each.pem for each in issued))
    others = ["-untrusted", "others.pem"] if made.chain[1:] else []
    command = [
        find("openssl"),
        "verify",
        "-x509_strict",
        "-auth_level",
        "2",
        "-CAfile",
        "anchor.pem",
        *others,
    ]
    command += ["-purpose", "sslserver", "-verify_hostname", SERVER, "-attime", str(int(NOW.timestamp()))]
    run = subprocess.run([*command, "leaf.pem"], cwd=directory, capture_output=True, check=False, timeout=60)
    return run.returncode == 0


GO_PROGRAM = """
package main

import (
	"crypto/x509"
	"encoding/json"
	"os"
	"time"
)

type Case struct {
	Chain  [][]byte
	Anchor []byte
}

func main() {
	var cases []Case
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	at := time.Unix(AT, 0)
	answers := []string{}
	for _, each := range cases {
		answers = append(answers, verify(each, at))
	}
	json.NewEncoder(os.Stdout).Encode(answers)
}

func verify(each Case, at time.Time) string {
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	anchor, err := x509.ParseCertificate(each.Anchor)
	if err != nil {
		return err.Error()
	}
	roots.AddCert(anchor)
	leaf, err := x509.ParseCertificate(each.Chain[0])
	if err != nil {
		return err.Error()
	}
	for _, der := range each.Chain[1:] {
		if other, err := x509.ParseCertificate(der); err == nil {
			others.AddCert(other)
		}
	}
	options := x509.VerifyOptions{DNSName: "NAME", Roots: roots, Intermediates: others, CurrentTime: at}
	if _, err := leaf.Verify(options); err != nil {
		return err.Error()
	}
	return ""
}
"""


def by_go(several: list[Made], directory: Path) -> list[bool]:
    program = GO_PROGRAM.replace("AT", str(int(NOW.timestamp()))).replace("NAME", SERVER)
    (directory / "main.go").write_text(program)
    cases = [
        {
            "Chain": [b64encode(each.der).decode() for each in made.chain],
            "Anchor": b64encode(made.anchor.der).decode(),
        }
        for made in several
    ]
    environment = {
        "HOME": str(directory),
        "GOCACHE": str(_go_cache()),
        "PATH": "/usr/bin:/bin",
        "GOFLAGS": "-mod=mod",
    }
    run = subprocess.run(
        [find("go"), "run", "main.go"],
        cwd=directory, input=json.dumps(cases), env=environment,
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return [answer == "" for answer in json.loads(run.stdout)]


def _go_cache() -> Path:
    return Path.home() / ".cache" / "go-build"


def unexplained(
    other: str, changes: tuple[str, ...], accepted_by_us: bool, accepted_by_them: bool
) -> str | None:
    """Say what the table does not explain, if anything."""
    if accepted_by_us == accepted_by_them:
        return None
    # A refusal of theirs takes one change that they see otherwise, an acceptance every change that we refuse.
    at_issue = [change for change in changes if CHANGES[change][1] is accepted_by_us]
    explained = [(other, change) in DIFFERENT for change in at_issue]
    if any(explained) if accepted_by_us else all(explained):
        return None
    verb = "accepts" if accepted_by_them else "refuses"
    return f"{other} {verb} {' + '.join(changes)}"


def sample(count: int) -> list[tuple[str, ...]]:
    """Every single change, then pairs that do not edit the same place, drawn with a fixed seed."""
    pairs = [pair for pair in combinations(sorted(CHANGES), 2) if places(pair[0]).isdisjoint(places(pair[1]))]
    drawn = random.Random(SEED).sample(pairs, min(count, len(pairs)))
    return [(change,) for change in CHANGES] + drawn


def places(change: str) -> set[tuple[str, str]]:
    """Which options and extensions a change sets."""
    plan = Plan()
    CHANGES[change][0](plan)
    options = {(level, option) for level in ("top", "middle", "end") for option in getattr(plan, level)}
    return options | {(level, type(value).__name__) for level in plan.extra for value, _ in plan.extra[level]}


def compare(several: list[tuple[str, ...]], directory: Path, others: tuple[str, ...]) -> list[str]:
    made = [make(changes) for changes in several]
    answers: dict[str, list[bool]] = {}
    if "cryptography" in others:
        answers["cryptography"] = [by_cryptography(each) for each in made]
    if "openssl" in others:
        answers["openssl"] = [by_openssl(each, directory) for each in made]
    if "go" in others:
        answers["go"] = by_go(made, directory)
    problems = []
    for number, changes in enumerate(several):
        expected = all(CHANGES[change][1] for change in changes)
        if ours(made[number]) is not expected:
            problems.append(f"we {'refuse' if expected else 'accept'} {' + '.join(changes)}")
        for other, accepted in answers.items():
            problem = unexplained(other, changes, expected, accepted[number])
            if problem:
                problems.append(problem)
    return problems


@pytest.mark.interop
def test_we_judge_as_others_do_or_the_table_says_why(tmp_path):
    """A seeded sample: every change alone, then pairs."""
    assert compare(sample(SAMPLE), tmp_path, ("cryptography", "openssl")) == []


@pytest.mark.full
@pytest.mark.interop
def test_we_judge_thousands_as_others_do_or_the_table_says_why(tmp_path):
    """All pairs there are, up to thousands, with Go beside the other two."""
    assert compare(sample(FULL), tmp_path, ("cryptography", "openssl", "go")) == []


@pytest.mark.parametrize("other", ["cryptography", "openssl"])
def test_every_difference_in_the_table_is_real(other, tmp_path):
    """A row that no longer holds is taken out; Go's are held by the full sweep."""
    for who, change in DIFFERENT:
        if who == other:
            made = make((change,))
            theirs = by_cryptography(made) if who == "cryptography" else by_openssl(made, tmp_path)
            assert theirs is not CHANGES[change][1], (who, change)
