"""Generated chains, verified by us and by three others: every difference is in a table with its reason.

The chains are those of `generated_chains`, whose `CHANGES` says which are acceptable, by the RFCs or docs/defaults.md.
`DIFFERENT` says where others see a change otherwise, and why.
"""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import verification

from bothways.trust.anchors import TrustStore
from bothways.trust.verdict import Purpose, Trusted
from bothways.trust.verification import verify as judge
from generated_chains import CHANGES, SERVER, Made, make, sample
from interop import golang
from interop.peers import find
from pki import NOW

SAMPLE, FULL = 60, 3000


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

DEFAULTS = (
    "its parser refuses a default value that is written out; RFC 5280 asks for DER, and we bear this one"
)
WRITTEN = "it reads what DER forbids; the parser that we stand on reads no such certificate"
STRINGS = "it refuses a string that is not ASCII (RFC 5280 4.2.1.6); we bear it, and it stands for nobody"
LIMITS = "it does not read minimum and maximum, which RFC 5280 4.2.1.10 asks to process or to refuse"
UTF8 = "it does not know SmtpUTF8Mailbox, which RFC 9598 6 holds to constraints on mailboxes"
QUOTED = "it compares mailboxes as they are written; the quotation is no part of them (RFC 5321 4.1.2)"
ENDS = "it compares the ends of names; what is none is in no permitted and in every excluded subtree"
EMBEDDED = "it compares octets; the IPv4 address in it is excluded (RFC 4291 2.5.5.2)"
MASK = "it bears a mask with holes, which RFC 5280 4.2.1.10 forbids"
PADDING = "it takes no key that is bound to RSASSA-PSS"
QUALIFIER = "it ignores what RFC 5280 4.2.1.4 asks to interpret where it is critical"
POINTS = "it takes them for known; RFC 5280 4.2.1.13 asks to process them, and here are no lists"
HINT = "it takes a key identifier for a condition, RFC 5280 4.2.1.1 for a hint"
PERMITS_NOTHING = "it refuses the whole; we hold that such a subtree permits nothing"
PARAMETERS = "it does not look at what follows the algorithm of a signature, which RFC 5758 3.2 forbids"
LENGTH = "it refuses what RFC 5280 4.2.1.9 forbids CAs to write; it says nothing where there is no CA"
UNUSED = "it does not look at the numbers of a key that signs nothing here"

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
    ("cryptography", "intermediate bound to PSS, and signs so"): PADDING,
    ("cryptography", "intermediate bound to PSS with SHA-256, and signs so"): PADDING,
    (
        "cryptography",
        "leaf on a curve without a name",
    ): "it looks at curves of issuers alone (RFC 5480 2.1.1)",
    ("cryptography", "leaf with an even exponent"): UNUSED,
    ("cryptography", "leaf with a long exponent"): UNUSED,
    ("cryptography", "leaf with a negative serial number"): WEB,
    ("cryptography", "leaf with GeneralizedTime"): WEB,
    ("cryptography", "leaf with a name in Latin-1"): STRINGS,
    (
        "cryptography",
        "leaf with an address of five octets",
    ): "it looks at no names but the one it is asked for",
    ("cryptography", "subtree with a minimum"): LIMITS,
    ("cryptography", "subtree with a maximum"): LIMITS,
    ("cryptography", "subtree with a minimum of zero written out"): DEFAULTS,
    ("cryptography", "mailbox in UTF-8 elsewhere"): UTF8,
    ("cryptography", "permitted mailbox in quotation marks"): QUOTED,
    ("cryptography", "address that embeds an excluded one"): EMBEDDED,
    ("cryptography", "network with holes"): MASK,
    ("cryptography", "malformed permitted subtree"): PERMITS_NOTHING,
    ("cryptography", "permitted directory name of another type"): DIRECTORY,
    ("cryptography", "leaf that is not a CA, written out"): DEFAULTS,
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
    ("openssl", "leaf with an even exponent"): UNUSED,
    ("openssl", "leaf with a long exponent"): UNUSED,
    ("openssl", "leaf signed by ECDSA with parameters"): PARAMETERS,
    ("openssl", "leaf of version 4"): "it looks at versions only for whether they have extensions",
    ("openssl", "leaf with an address of five octets"): "it compares octets, and these match nothing",
    ("openssl", "excluded mailbox in quotation marks"): QUOTED,
    ("openssl", "permitted mailbox in quotation marks"): QUOTED,
    ("openssl", "address that embeds an excluded one"): EMBEDDED,
    ("openssl", "network with holes"): MASK,
    ("openssl", "malformed name below a permitted one"): ENDS,
    ("openssl", "malformed name beside an excluded one"): ENDS,
    ("openssl", "malformed excluded subtree"): ENDS,
    ("openssl", "leaf with uncritical extensions written out"): WRITTEN,
    ("openssl", "leaf with a critical unknown qualifier"): QUALIFIER,
    ("openssl", "leaf with critical distribution points"): POINTS,
    (
        "openssl",
        "leaf names another key",
    ): HINT,
    ("openssl", "leaf with a path length"): LENGTH,
    ("go", "issuer named in capitals"): EXACT,
    ("go", "leaf that may not sign"): SIGNING,
    ("go", "leaf for a wildcard"): WILDCARD,
    ("go", "permitted directory name"): DIRECTORY,
    ("go", "leaf with weak RSA"): KEYS,
    ("go", "leaf with P-224"): KEYS,
    ("go", "intermediate with weak RSA"): KEYS,
    ("go", "intermediate bound to PSS, and signs so"): PADDING,
    ("go", "intermediate bound to PSS with SHA-256, and signs so"): PADDING,
    ("go", "leaf signed by ECDSA with parameters"): PARAMETERS,
    ("go", "leaf with an even exponent"): UNUSED,
    ("go", "leaf with a negative serial number"): "it refuses them, as RFC 5280 4.1.2.2 lets it",
    ("go", "leaf without seconds"): "it reads them, which RFC 5280 4.1.2.5.1 does not allow",
    ("go", "leaf with a Kelvin sign in a name"): STRINGS,
    ("go", "leaf with a name in Latin-1"): STRINGS,
    ("go", "subtree with a minimum"): LIMITS,
    ("go", "subtree with a maximum"): LIMITS,
    ("go", "mailbox in UTF-8 elsewhere"): UTF8,
    ("go", "malformed excluded subtree"): ENDS,
    ("go", "permitted directory name of another type"): DIRECTORY,
    ("go", "leaf with uncritical extensions written out"): WRITTEN,
    ("go", "leaf with a critical unknown qualifier"): QUALIFIER,
    ("go", "leaf with critical distribution points"): POINTS,
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
    except (verification.VerificationError, ValueError, x509.InvalidVersion):
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
    run = subprocess.run(
        [find("go"), "run", "main.go"],
        cwd=directory, input=json.dumps(cases), env=golang.environment(directory),
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return [answer == "" for answer in json.loads(run.stdout)]


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
def test_verdicts_are_those_of_others_or_the_table_has_the_reason(tmp_path):
    """A seeded sample: every change alone, then pairs."""
    assert compare(sample(SAMPLE), tmp_path, ("cryptography", "openssl")) == []


@pytest.mark.full
@pytest.mark.interop
def test_thousands_of_verdicts_are_those_of_others_or_the_table_has_the_reason(tmp_path):
    """All pairs, up to thousands, with Go in addition to the other two."""
    assert compare(sample(FULL), tmp_path, ("cryptography", "openssl", "go")) == []


@pytest.mark.parametrize("other", ["cryptography", "openssl"])
def test_every_difference_in_the_table_occurs(other, tmp_path):
    """A row that no longer applies is removed; the full sweep checks those of Go."""
    for who, change in DIFFERENT:
        if who == other:
            made = make((change,))
            theirs = by_cryptography(made) if who == "cryptography" else by_openssl(made, tmp_path)
            assert theirs is not CHANGES[change][1], (who, change)
