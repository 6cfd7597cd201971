"""All of NIST's PKITS: certification paths whose results others have laid down.

Each row of `tests/vectors/pkits.json` has its inputs and its expected result from the NIST document; the file
says by which way.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import cryptography_vectors
import pytest

from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.path.policies import ANY, Policies, valid_policies
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Purpose, Trusted
from bothways.trust.verification import verify as judge

ROWS = json.loads((Path(__file__).parent.parent / "vectors" / "pkits.json").read_text("utf-8"))["tests"]
DATA = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data"
AT = datetime(2011, 4, 15, tzinfo=UTC)  # the day after the document's date

# What is expected to differ, and why. The document grants that a relying party may accept no DSA.
DSA = "DSA is not accepted (RFC 9325 4.5; DSA certificates whose parameters are inherited do not even parse)"
OTHERWISE = {"4.1.4": DSA, "4.1.5": DSA}


def certificate(name: str) -> bytes:
    return (DATA / "certs" / f"{name}.crt").read_bytes()


def crl(name: str) -> CRL:
    return CRL((DATA / "crls" / f"{name}.crl").read_bytes())


def policy(name: str) -> str:
    return ANY if name == "anyPolicy" else "2.16.840.1.101.3.2.1.48." + name.rpartition("-")[2]


def wanted(row) -> Policies:
    initial = row.get("initial_policies", ["anyPolicy"])
    return Policies(
        acceptable=frozenset() if initial == ["anyPolicy"] else frozenset(map(policy, initial)),
        required=row.get("explicit_policy", False),
        map_policies=not row.get("inhibit_mapping", False),
        allow_any=not row.get("inhibit_any", False),
    )


def named(row) -> str:
    return f"{row['test']} {row['title']}"


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_the_verdict_on_a_path_is_that_of_nist(row):
    """NIST PKITS 1.0.1, every section, with the CRLs of each test."""
    anchor, *others = row["certificates"]
    anchors = TrustStore.from_pem(certificate(anchor))
    verdict = judge(
        [certificate(name) for name in reversed(others)],
        anchors,
        purpose=Purpose.CLIENT,
        name=None,
        at=AT,
        key_usage=None,
        policies=wanted(row),
        revocation=Revocation(crls=CRLStore(map(crl, row["crls"]))),
    )
    expected = row["valid"] and row["test"] not in OTHERWISE
    assert isinstance(verdict, Trusted) is expected, verdict


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row["test"].startswith(("4.8.", "4.9.", "4.10.", "4.11.", "4.12."))],
    ids=named,
)
def test_the_policies_of_a_path_are_those_that_nist_expects(row):
    """NIST PKITS 4.8 to 4.12: the user-constrained policy set."""
    path = [ParsedCertificate(certificate(name)) for name in reversed(row["certificates"])]
    policies, reasons = valid_policies(path, wanted(row))
    assert bool(reasons) is not row["valid"]
    if row["valid"]:
        assert policies == frozenset(map(policy, row.get("policies", ["NIST-test-policy-1"])))


def test_every_section_is_there():
    """The document has 249 rows, parts of tests counted."""
    sections = {row["test"].split(".")[1] for row in ROWS}
    assert (len(ROWS), sections) == (249, {str(number) for number in range(1, 17)})
