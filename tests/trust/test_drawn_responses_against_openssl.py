"""Generated OCSP responses, verified by us and by `openssl ocsp`: signer, status, times, certificate, CertID.

Each part of a response counts or does not, and a response counts when every part does. Made around now, since
OpenSSL compares with the clock on the wall. `OTHERWISE` has the parts that it sees otherwise, and why.
"""

from __future__ import annotations

import random
import re
import subprocess
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hashes import SHA256

from bothways.faults import Fault
from bothways.trust.anchors import TrustStore
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Purpose, Refused, Trusted
from bothways.trust.verification import verify as judge
from interop.peers import find
from pki import DAY, Issued, intermediate, key, leaf, ocsp_response, responder, root
from trust.responses import by_pss, together

SAMPLE, FULL, SEED = 40, 2500, 6960
NOW = datetime.now(UTC).replace(microsecond=0)
SPAN = {"not_before": NOW - 30 * DAY, "not_after": NOW + 30 * DAY}
HOUR = timedelta(hours=1)


@cache
def people() -> dict[str, Issued]:
    top = root("Drawn root", **SPAN)
    ca = intermediate(top, "Drawn CA", **SPAN)
    return {
        "root": top,
        "ca": ca,
        "leaf": leaf(ca, **SPAN),
        "other": leaf(ca, "other.example", **SPAN),
        "the issuer": ca,
        "a delegate": responder(ca, **SPAN),
        "a delegate with an RSA key": responder(ca, "RSA responder", key_kind="RSA-2048", **SPAN),
        "a delegate of the root": responder(top, **SPAN),
        "a delegate without the usage": responder(ca, usage=("serverAuth",), **SPAN),
        "a delegate that expired": responder(ca, **SPAN | {"not_after": NOW - DAY}),
        "a delegate that nobody issued": responder(ca, signed_by=key("P-256", 3300), **SPAN),
        "the leaf itself": leaf(ca, **SPAN),
        "a stranger": root("Stranger", **SPAN),
        "a CA of the same name": intermediate(root("Drawn root", own_key=key("P-256", 3301), **SPAN), "Drawn CA",
                                              own_key=key("P-256", 3302), **SPAN),
    }  # fmt: skip


# part -> its choices, and whether each counts
SIGNERS = {
    "the issuer": True,
    "a delegate": True,
    "a delegate with an RSA key": True,
    "a delegate of the root": False,
    "a delegate without the usage": False,
    "a delegate that expired": False,
    "a delegate that nobody issued": False,
    "the leaf itself": False,
    "a stranger": False,
    "a CA of the same name": False,
}
STATES = {"good": True, "revoked": False, "unknown": False}
TIMES = {
    "now": ({"this_update": NOW - HOUR, "next_update": NOW + DAY}, True),
    "without an end": ({"this_update": NOW - HOUR, "next_update": None}, True),
    "stale": ({"this_update": NOW - 2 * DAY, "next_update": NOW - DAY}, False),
    "not yet": ({"this_update": NOW + DAY, "next_update": NOW + 2 * DAY}, False),
}
HASHES = {"SHA-1": hashes.SHA1(), "SHA-256": hashes.SHA256(), "SHA-384": hashes.SHA384()}
SUBJECTS = {"leaf": True, "other": False}
NAMING = (False, True)
NONCES = (None, b"n" * 32)
SPOILED = {False: True, True: False}
# What the response says beside, whether of the same certificate, and whether it still counts.
BESIDE: dict[str, tuple[tuple[bool, str] | None, bool]] = {
    "nothing": (None, True),
    "another is revoked": ((False, "revoked"), True),
    "the same is good": ((True, "good"), True),
    "the same is revoked": ((True, "revoked"), False),
    "the same is unknown": ((True, "unknown"), False),
}
OTHERWISE = {
    "the same is revoked": "the first of two answers counts; here the worse",
    "the same is unknown": "the first of two answers counts; here the worse",
}

Parts = tuple[str, str, str, str, str, bool, bytes | None, bool, str]
CHOICES = (SIGNERS, STATES, TIMES, HASHES, SUBJECTS, NAMING, NONCES, SPOILED, BESIDE)
PSS = "a delegate with an RSA key"  # which signs by RSASSA-PSS, and one answer alone
ALL: list[Parts] = [each for each in product(*CHOICES) if each[0] != PSS or each[-1] == "nothing"]


def sample(full: bool) -> list[Parts]:
    """Every choice of a part with the rest as it should be, then what is drawn, with most parts as they should be."""
    draw = random.Random(SEED)
    plain: Parts = ("the issuer", "good", "now", "SHA-1", "leaf", False, None, False, "nothing")
    alone = [(*plain[:at], choice, *plain[at + 1 :]) for at, part in enumerate(CHOICES) for choice in part]
    sound = [each for each in ALL if wrong(each) <= 1]
    drawn = [draw.choice(sound if draw.random() < 0.7 else ALL) for _ in range(FULL if full else SAMPLE)]
    return [*alone, *drawn]


def wrong(parts: Parts) -> int:
    """How many parts do not count."""
    signer, state, times, _, subject, _, _, spoiled, beside = parts
    counts = (
        SIGNERS[signer],
        STATES[state],
        TIMES[times][1],
        SUBJECTS[subject],
        SPOILED[spoiled],
        BESIDE[beside][1],
    )
    return counts.count(False)


def by_the_first_answer(parts: Parts) -> bool:
    """Whether a response counts where the first of two answers does."""
    return wrong((*parts[:-1], "nothing" if parts[-1] in OTHERWISE else parts[-1])) == 0


def made(parts: Parts) -> bytes:
    signer, state, times, digest, subject, by_name, nonce, spoiled, beside = parts
    those = people()
    who = those[signer]
    options = {
        "signer": None if signer == "the issuer" else who,
        "by_name": by_name,
        "digest": HASHES[digest],
    }
    options |= {"nonce": nonce, **TIMES[times][0]}
    der = ocsp_response(those[subject], status=state, **options)
    second = BESIDE[beside][0]
    if signer == PSS:
        der = by_pss(der, who, SHA256(), SHA256())
    elif second is not None:
        along = () if signer == "the issuer" else (who,)
        whom = subject if second[0] else next(each for each in SUBJECTS if each != subject)
        der = together([der, ocsp_response(those[whom], status=second[1], **options)], who, along)
    if spoiled:  # the last bit of the issuer's signature; of a delegate's certificate, which stands last
        return der[:-1] + bytes([der[-1] ^ 1])
    return der


def ours(response: bytes) -> bool:
    revocation = Revocation(ocsp=OCSPStore([OCSPResponse(response)]), covers="leaf", tolerance=timedelta(0))
    those = people()
    verdict = judge(
        [those["leaf"].der, those["ca"].der], TrustStore.from_pem(those["root"].pem),
        purpose=Purpose.SERVER, name=None, at=NOW, revocation=revocation,
    )  # fmt: skip
    if isinstance(verdict, Refused):
        assert {each.fault for each in verdict.reasons} <= {Fault.REVOKED, Fault.REVOCATION_UNKNOWN}
    return isinstance(verdict, Trusted)


def by_openssl(parts: Parts, directory: Path) -> bool:
    """Ask it about the leaf under the hash of the response: it compares names octet by octet."""
    those = people()
    (directory / "response.der").write_bytes(made(parts))
    named_by = "-" + parts[3].lower().replace("-", "")
    for name, content in (("ca", those["ca"].pem), ("leaf", those["leaf"].pem)):
        (directory / f"{name}.pem").write_bytes(content)
    (directory / "both.pem").write_bytes(those["root"].pem + those["ca"].pem)
    command = [
        find("openssl"),
        "ocsp",
        "-respin",
        "response.der",
        named_by,
        "-issuer",
        "ca.pem",
        "-cert",
        "leaf.pem",
    ]
    command += ["-CAfile", "both.pem", "-no_nonce", "-validity_period", "0"]
    run = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, timeout=60)
    said = run.stdout + run.stderr
    good = re.search(r"^(leaf\.pem: )?good$", said, re.MULTILINE) is not None
    return "Response verify OK" in said and good and "WARNING: Status times invalid" not in said


def test_a_generated_response_counts_when_all_its_parts_do(full: bool) -> None:
    """RFC 6960 3.2."""
    assert [each for each in sample(full) if ours(made(each)) is not (wrong(each) == 0)] == []


@pytest.mark.interop
def test_openssl_verifies_a_generated_response_as_we_do(full: bool, tmp_path: Path) -> None:
    """openssl ocsp -respin."""
    differing = [each for each in sample(full) if by_openssl(each, tmp_path) is not by_the_first_answer(each)]
    assert differing == []


@pytest.mark.interop
@pytest.mark.parametrize("beside", OTHERWISE)
def test_every_difference_from_openssl_in_the_table_occurs(beside: str, tmp_path: Path) -> None:
    """A row that no longer applies is removed."""
    plain: Parts = ("the issuer", "good", "now", "SHA-1", "leaf", False, None, False, beside)
    assert by_openssl(plain, tmp_path) is not ours(made(plain))
