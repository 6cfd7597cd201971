"""The web profile, the server verifier of `cryptography` and `openssl verify -x509_strict`.

Both know many of its rules. Whatever one of them refuses and we accept stands in a table with its reason; they let
pass many a chain that we refuse, since neither has all of the rules.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509 import verification

from bothways.trust.anchors import TrustStore
from bothways.trust.verdict import Purpose, Trusted
from bothways.trust.verification import verify as judge
from generated_chains import Made as Generated
from generated_chains import make, sample
from interop.peers import find
from pki import NOW, name
from raw_certificates import edited
from trust import test_against_others as plain
from trust.path.test_web_profile import (
    BROKEN,
    KEPT,
    OLD,
    SERIALS,
    SERVER,
    Made,
    Options,
    chain,
    extra,
    identifiers,
    judged,
)

SAMPLE, FULL = 40, 3000
CRITICAL_USAGE = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH])


def whole_key_identifier() -> Options:
    """A root whose authorityKeyIdentifier has its issuer and serial number too, as in some public ones."""
    options = identifiers("top", False, None)
    mine = x509.SubjectKeyIdentifier.from_public_key(options["own_key"].public_key())
    whole = x509.AuthorityKeyIdentifier(mine.digest, [x509.DirectoryName(name("Web Root"))], 8)
    return options | {"extra": [*options["extra"], (whole, False)], "serial": 8}


# What the Baseline Requirements say beyond our table, and others may ask for.
FURTHER: list[tuple[str, Options]] = [
    ("critical extended key usage", {"usage": None, **extra(CRITICAL_USAGE, True)}),
    ("root with usages", {"top": {"usage": ("serverAuth",)}}),
    ("root with its whole key identifier", {"top": whole_key_identifier()}),
    ("leaf without key identifiers of its own", identifiers("end", None, False)),
    ("leaf for every purpose", {"usage": ("serverAuth", "codeSigning")}),
    ("leaf with a directory name", {"alternatives": [f"DNS:{SERVER}", "DN:Example"]}),
    ("old root without key usage", {"top": {"key_usage": None} | OLD}),
]

OLD_ROOT = "roots from before the Baseline Requirements are not held to it, since public stores have such"
CA_USAGE = "a root need not have a key usage: absent it restricts nothing, and public roots lack it"
POLICIES = "it processes no policies, and refuses what is critical about them; we process them"
ANY = "a CA that may be used for anything may be used for servers (BR 7.1.2.2.4)"
FORMS = "BR and RFC 5280 bind CAs to one form where relying parties take either; linting is not ours"
LINT = "BR 7.1.2.7.6 has it not critical; that changes nothing for us, who read it"

# (who, case) -> why they refuse what we accept
ACCEPTED: dict[tuple[str, str], str] = {
    ("cryptography", "ca-basic-constraints: old root"): OLD_ROOT,
    ("cryptography", "ca-key-usage: root without"): CA_USAGE,
    ("cryptography", "policy-constraints: critical"): POLICIES,
    ("cryptography", "old root without key usage"): CA_USAGE,
    ("cryptography", "critical extended key usage"): LINT,
    ("openssl", "ca-server-auth: any"): ANY,
    ("openssl", "subject-key-identifier: old root"): OLD_ROOT,
    ("openssl", "ca-basic-constraints: old root"): OLD_ROOT,
    ("openssl", "ca-key-usage: root without"): CA_USAGE,
    ("openssl", "old root without key usage"): CA_USAGE,
}

# The same for the changes that `test_against_others` makes.
CHANGED: dict[tuple[str, str], str] = {
    ("cryptography", "issuer named in capitals"): plain.EXACT,
    ("cryptography", "anchor without key usage"): CA_USAGE,
    ("cryptography", "permitted directory name"): plain.DIRECTORY,
    ("cryptography", "intermediate bound to PSS, and signs so"): FORMS,
    ("cryptography", "intermediate bound to PSS with SHA-256, and signs so"): FORMS,
    ("cryptography", "leaf with GeneralizedTime"): FORMS,
    ("cryptography", "leaf with a name in Latin-1"): plain.STRINGS,
    ("cryptography", "subtree with a minimum of zero written out"): plain.DEFAULTS,
    ("cryptography", "permitted mailbox in quotation marks"): plain.QUOTED,
    ("cryptography", "malformed permitted subtree"): plain.PERMITS_NOTHING,
    ("cryptography", "permitted directory name of another type"): plain.DIRECTORY,
    ("cryptography", "leaf that is not a CA, written out"): plain.DEFAULTS,
    ("openssl", "permitted mailbox in quotation marks"): plain.QUOTED,
    ("openssl", "leaf with a path length"): plain.LENGTH,
    ("openssl", "leaf names another key"): plain.HINT,
    ("openssl", "anchor without key usage"): CA_USAGE,
    ("openssl", "intermediate for any usage"): ANY,
}
NAMED = {
    ("ca-basic-constraints", 0): "ca-basic-constraints: old root",
    ("ca-key-usage", 0): "ca-key-usage: root without",
    ("ca-server-auth", 1): "ca-server-auth: any",
    ("policy-constraints", 0): "policy-constraints: critical",
    ("subject-key-identifier", 0): "subject-key-identifier: old root",
}


def cases() -> Iterator[tuple[str, Sequence[Made]]]:
    """Every chain of the table of rules, broken and kept, and the further ones."""
    for number, (rule, _, options) in enumerate(BROKEN):
        yield f"{rule}, broken {number}", chain(**options)
    times: dict[str, int] = {}
    for rule, options in KEPT:
        nth = times[rule] = times.get(rule, -1) + 1
        yield NAMED.get((rule, nth), f"{rule}, kept {nth}"), chain(**options)
    for number, (rule, serial, _) in enumerate(SERIALS):
        end, *above = chain()
        yield f"{rule} {number}", [edited(end, serial=bytes((0x02, len(serial))) + serial), *above]
    for what, options in FURTHER:
        yield what, chain(**options)


def first_name(certificate: x509.Certificate) -> x509.GeneralName:
    """A name for which the certificate is valid, if there is one that can be asked for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.DNSName(SERVER)
    found = [each for each in names if isinstance(each, x509.DNSName | x509.IPAddress)]
    first = found[-1] if found else x509.DNSName(SERVER)
    return x509.DNSName(first.value.replace("*", "a")) if isinstance(first, x509.DNSName) else first


def accepted_by_cryptography(path: Sequence[Made]) -> bool:
    end, *above, anchor = (each.certificate for each in path)
    builder = verification.PolicyBuilder().store(verification.Store([anchor])).time(NOW)
    try:
        builder.build_server_verifier(first_name(end)).verify(end, above)
    except (verification.VerificationError, ValueError):
        return False
    return True


def accepted_by_openssl(path: Sequence[Made], directory: Path) -> bool:
    end, *above, anchor = path
    for file, several in {"leaf.pem": [end], "others.pem": above, "anchor.pem": [anchor]}.items():
        (directory / file).write_bytes(b"".join(each.pem for each in several))
    command = [find("openssl"), "verify", "-x509_strict", "-auth_level", "2", "-purpose", "sslserver"]
    command += ["-CAfile", "anchor.pem", "-untrusted", "others.pem", "-attime", str(int(NOW.timestamp()))]
    run = subprocess.run([*command, "leaf.pem"], cwd=directory, capture_output=True, check=False, timeout=60)
    return run.returncode == 0


def answers(path: Sequence[Made], directory: Path) -> dict[str, bool]:
    return {
        "cryptography": accepted_by_cryptography(path),
        "openssl": accepted_by_openssl(path, directory),
    }


@pytest.mark.interop
def test_chains_that_others_refuse_are_refused_or_the_table_has_the_reason(tmp_path: Path) -> None:
    """CA/Browser Forum BR 7.1.2: no rule that others know is missing unseen."""
    accepted = [(what, path) for what, path in cases() if isinstance(judged(path), Trusted)]
    refused = {
        (who, what)
        for what, path in accepted
        for who, accepts in answers(path, tmp_path).items()
        if not accepts
    }
    assert refused == set(ACCEPTED)


def ours(made: Generated) -> bool:
    store = TrustStore([made.anchor.der], profile="web")
    asked: dict[str, Any] = {"purpose": Purpose.SERVER, "name": SERVER, "at": NOW, "revocation": None}
    return isinstance(judge([each.der for each in made.chain], store, **asked), Trusted)


def unexplained(several: list[tuple[str, ...]], directory: Path) -> list[str]:
    """What others refuse of these changed chains, and we accept without a reason."""
    found = []
    for changes in several:
        made = make(changes)
        if not ours(made):
            continue
        theirs = {
            "cryptography": plain.by_cryptography(made),
            "openssl": plain.by_openssl(made, directory),
        }
        found += [
            f"{who} refuses {' + '.join(changes)}"
            for who, accepts in theirs.items()
            if not accepts and not any((who, change) in CHANGED for change in changes)
        ]
    return found


@pytest.mark.interop
def test_of_changed_chains_we_accept_no_more_than_others(tmp_path: Path) -> None:
    """A seeded sample: every change alone, then pairs."""
    assert unexplained(sample(SAMPLE), tmp_path) == []


@pytest.mark.full
@pytest.mark.interop
def test_of_thousands_of_changed_chains_we_accept_no_more_than_others(tmp_path: Path) -> None:
    """All pairs there are, up to thousands."""
    assert unexplained(sample(FULL), tmp_path) == []


@pytest.mark.interop
@pytest.mark.parametrize(("who", "change"), CHANGED, ids=lambda each: each.replace(" ", "-"))
def test_every_reason_for_a_changed_chain_is_needed(who: str, change: str, tmp_path: Path) -> None:
    """A row that no longer holds is taken out."""
    made = make((change,))
    assert ours(made)
    theirs = plain.by_cryptography(made) if who == "cryptography" else plain.by_openssl(made, tmp_path)
    assert not theirs


def test_the_private_profile_accepts_all_that_the_web_profile_does() -> None:
    """The web profile only adds to it."""
    for what, path in cases():
        if isinstance(judged(path), Trusted):
            assert isinstance(judged(path, "private"), Trusted), what
