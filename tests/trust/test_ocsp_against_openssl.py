"""OCSP and `openssl ocsp`: it signs responses that we verify; both verify the responses of others.

`RESPONSES` has the responses by what is particular about them, and whether they count; `DIFFERENT` says where
OpenSSL sees one otherwise, and why.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from bothways.faults import Fault
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.ocsp.request import request
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Purpose, Refused, Trusted
from bothways.trust.verification import verify as judge
from interop.peers import find
from pki import DAY, NOW, Issued, intermediate, key, leaf, ocsp_response, responder, root

ROOT = root()
CA = intermediate(ROOT)
SERVER = leaf(CA)
OTHER = leaf(CA, "other.example")
ANCHORS = TrustStore.from_pem(ROOT.pem)


def ours(response: bytes, at=NOW):
    revocation = Revocation(ocsp=OCSPStore([OCSPResponse(response)]), covers="leaf", tolerance=timedelta(0))
    asked = {"purpose": Purpose.SERVER, "name": None, "at": at, "revocation": revocation}
    return judge(SERVER.chain, ANCHORS, **asked)


def write(directory: Path, **issued: Issued) -> None:
    for name, each in issued.items():
        (directory / f"{name}.pem").write_bytes(each.pem)
        (directory / f"{name}.key").write_bytes(each.key_pem)


def openssl(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [find("openssl"), "ocsp", *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.interop
@pytest.mark.parametrize(
    ("line", "faults"),
    [
        ("V\t270101000000Z\t\t{serial}\tunknown\t/CN=server.example", []),
        (
            "R\t270101000000Z\t260501000000Z,keyCompromise\t{serial}\tunknown\t/CN=server.example",
            [Fault.REVOKED],
        ),
        ("V\t270101000000Z\t\t01\tunknown\t/CN=somebody", [Fault.REVOCATION_UNKNOWN]),
    ],
)
@pytest.mark.parametrize("delegated", [False, True])
def test_openssl_answers_our_request_and_we_accept_the_response(tmp_path, line, faults, delegated):
    """openssl ocsp -index: by the CA's own key, or by a delegate's."""
    serial = f"{SERVER.certificate.serial_number:X}"
    serial = serial.zfill(len(serial) + len(serial) % 2)
    (tmp_path / "index.txt").write_text(line.format(serial=serial) + "\n")
    (tmp_path / "request.der").write_bytes(
        request(ParsedCertificate(SERVER.der), ParsedCertificate(CA.der), b"n" * 32)
    )
    write(tmp_path, ca=CA, signer=responder(CA) if delegated else CA)
    arguments = ["-index", "index.txt", "-CA", "ca.pem", "-rsigner", "signer.pem", "-rkey", "signer.key"]
    run = openssl(tmp_path, *arguments, "-reqin", "request.der", "-respout", "response.der", "-ndays", "1")
    assert (tmp_path / "response.der").exists(), run.stderr
    response = OCSPResponse((tmp_path / "response.der").read_bytes())
    assert response.nonce == b"n" * 32
    verdict = ours(response.der, at=response.responses[0].this_update)
    assert [each.fault for each in verdict.reasons] == faults if faults else isinstance(verdict, Trusted)


def flipped(der: bytes) -> bytes:
    return der[:-1] + bytes([der[-1] ^ 1])


# what is particular -> (response, whether it makes the server good)
RESPONSES: dict[str, tuple[Callable[[], bytes], bool]] = {
    "nothing": (lambda: ocsp_response(SERVER), True),
    "revoked": (lambda: ocsp_response(SERVER, status="revoked", reason="superseded"), False),
    "unknown": (lambda: ocsp_response(SERVER, status="unknown"), False),
    "for another": (lambda: ocsp_response(OTHER), False),
    "altered": (lambda: flipped(ocsp_response(SERVER)), False),
    "named by name": (lambda: ocsp_response(SERVER, by_name=True), True),
    "by a delegate": (lambda: ocsp_response(SERVER, signer=responder(CA)), True),
    "by a delegate of another kind of key": (
        lambda: ocsp_response(SERVER, signer=responder(CA, key_kind="RSA-2048")), True,
    ),
    "by a delegate without the usage": (
        lambda: ocsp_response(SERVER, signer=responder(CA, usage=("serverAuth",))), False,
    ),
    "by a delegate of the root": (lambda: ocsp_response(SERVER, signer=responder(ROOT)), False),
    "by a delegate that expired": (
        lambda: ocsp_response(SERVER, signer=responder(CA, not_after=NOW - DAY)), False,
    ),
    "by a delegate forged": (
        lambda: ocsp_response(SERVER, signer=responder(CA, signed_by=key("P-256", 3200))), False,
    ),
    "by a stranger": (lambda: ocsp_response(SERVER, signer=root("Stranger")), False),
    "expired": (lambda: ocsp_response(SERVER, next_update=NOW - timedelta(hours=1)), False),
    "is not valid before": (lambda: ocsp_response(SERVER, this_update=NOW + timedelta(hours=1)), False),
    "without a next update": (lambda: ocsp_response(SERVER, next_update=None), True),
    "with a nonce": (lambda: ocsp_response(SERVER, nonce=b"n" * 32), True),
}  # fmt: skip

CLOCK = (
    "it compares a response's times with the clock on the wall, not with -attime, so they are left out here"
)
DIFFERENT: dict[str, str] = {"expired": CLOCK, "is not valid before": CLOCK}


def by_openssl(response: bytes, directory: Path) -> bool:
    (directory / "response.der").write_bytes(response)
    write(directory, ca=CA, server=SERVER, root=ROOT)
    (directory / "both.pem").write_bytes(ROOT.pem + CA.pem)
    arguments = ["-respin", "response.der", "-issuer", "ca.pem", "-cert", "server.pem", "-CAfile", "both.pem"]
    arguments += ["-no_nonce", "-attime", str(int(NOW.timestamp())), "-validity_period", "0"]
    run = openssl(directory, *arguments)
    said = run.stdout + run.stderr
    return (
        "Response verify OK" in said and re.search(r"^(server\.pem: )?good$", said, re.MULTILINE) is not None
    )


@pytest.mark.parametrize("particular", RESPONSES)
def test_a_response_counts_as_we_say(particular):
    """RFC 6960 3.2."""
    make, good = RESPONSES[particular]
    verdict = ours(make())
    assert isinstance(verdict, Trusted if good else Refused)


@pytest.mark.interop
@pytest.mark.parametrize("particular", RESPONSES)
def test_openssl_verifies_a_response_as_we_do_or_the_table_has_the_reason(particular, tmp_path):
    """openssl ocsp -respin."""
    make, good = RESPONSES[particular]
    assert by_openssl(make(), tmp_path) is (good is not (particular in DIFFERENT)), DIFFERENT.get(particular)
