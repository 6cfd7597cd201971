"""Documents that are wrong inside, of our making and of others': nothing escapes but what is documented."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from cryptography.x509.ocsp import OCSPResponse, OCSPResponseStatus

from bothways import ConfigError, Credentials, TrustStore
from bothways.ca.errors import RequestRefused
from bothways.ca.requests import read_request
from bothways.describe.messages import summary
from bothways.tls.wire.tls13 import Certificate, CertificateEntry
from bothways.trust.certificate.files import certificates_in
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import crls_in
from bothways.trust.decoding import parsing
from bothways.trust.ocsp.response import responses_in
from bothways.trust.verdict import Purpose
from bothways.trust.verification import verify as judge
from fuzz.der_mutation import parse
from fuzz.hostile_documents import (
    CA,
    LEAF,
    LIST,
    MAKERS,
    NAMED,
    QUESTION,
    REQUEST,
    RESPONSES,
    ROOT,
    TARGETS,
    anchors,
    command,
    public_files,
    run_command,
    tell,
)
from pair import NOON

COUNT = 40
FILES = 60
TIMES = 100  # as many in `make test-all`


@pytest.mark.parametrize("document", [LEAF.der, CA.der, LIST, REQUEST, *RESPONSES, QUESTION])
def test_mutation_starts_from_the_document_itself(document: bytes) -> None:
    assert parse(document).encode() == document


@pytest.mark.parametrize("title", TARGETS)
def test_mutants_raise_nothing_but_what_is_documented(title: str, full: bool) -> None:
    assert TARGETS[title].sweep(COUNT * (TIMES if full else 1), title) > 0


def test_mutants_are_judged_far_beyond_their_encoding() -> None:
    """Else nothing behind the parser would be reached."""
    draws = random.Random("judged")
    reached = set()
    for _ in range(400):
        chain = [MAKERS["leaf"](draws), CA.der]
        verdict = judge(chain, anchors(), purpose=Purpose.SERVER, name=NAMED, at=NOON)
        reached |= {reason.fault.name for reason in getattr(verdict, "reasons", ())}
    assert {
        "BAD_ENCODING",
        "NAME_NOT_PERMITTED",
        "WRONG_EXTENDED_KEY_USAGE",
        "UNKNOWN_CRITICAL_EXTENSION",
    } <= reached


COMMANDS = {
    "show": ("whatever", ("show", "FILE")),
    "verify": ("leaf", ("verify", "FILE", "--ca", "ROOT", "--name", NAMED)),
    "verify as JSON": ("leaf", ("verify", "FILE", "--ca", "ROOT", "--json")),
    "verify by a list": ("list", ("verify", "LEAF", "--ca", "ROOT", "--crl", "FILE")),
    "verify by a response": ("response", ("verify", "LEAF", "--ca", "ROOT", "--ocsp", "FILE")),
    "verify under it": ("CA", ("verify", "LEAF", "--ca", "FILE")),
}


@pytest.mark.parametrize("title", COMMANDS)
def test_commands_end_with_a_status(title: str, tmp_path: Path, full: bool) -> None:
    """0, 1 or 2, and no traceback."""
    (tmp_path / "root.pem").write_bytes(ROOT.pem)
    (tmp_path / "leaf.pem").write_bytes(LEAF.chain_pem)
    made, words = COMMANDS[title]
    places = {"ROOT": str(tmp_path / "root.pem"), "LEAF": str(tmp_path / "leaf.pem")}
    draws = random.Random(title)
    for _ in range(COUNT // 3 * (TIMES if full else 1)):
        data = MAKERS[made](draws)
        assert command(tuple(places.get(word, word) for word in words), data, tmp_path) in (0, 1, 2)


def test_public_files_raise_nothing_but_what_is_documented(tmp_path: Path, full: bool) -> None:
    """The files that `cryptography` tests itself with, each by everybody who reads files."""
    (tmp_path / "root.pem").write_bytes(ROOT.pem)
    paths = list(public_files())
    assert len(paths) > 2000
    for path in paths if full else random.Random("files").sample(paths, FILES):
        assert run_command("show", str(path)) in (0, 1, 2), path
        assert run_command("verify", str(path), "--ca", str(tmp_path / "root.pem")) in (0, 1, 2), path
        _read_as_everything(path.read_bytes())


def test_files_that_once_ended_in_tracebacks_are_shown() -> None:
    """Versions that there are not, ediPartyName, an entry with one extension twice."""
    ended = (
        "invalid_version", "crl_bad_version", "bad-version", "crl_dup_entry_ext", "san_edipartyname",
        "san_x400address", "bad_country", "belgian-eid-invalid-visiblestring", "dhpub_cryptography_old",
    )  # fmt: skip
    paths = [path for path in public_files() if path.stem in ended]
    assert len(paths) >= len(ended)
    for path in paths:
        assert run_command("show", str(path)) == 0, path


READERS = (
    lambda data: TrustStore.from_pem(data).readable_names,
    Credentials.from_pem,
    lambda data: crls_in(data, "file"),
    lambda data: responses_in(data, "file"),
    lambda data: read_request(data, "file"),
)


def _read_as_everything(data: bytes) -> None:
    for read in READERS:
        try:
            read(data)
        except (ConfigError, RequestRefused) as error:
            assert str(error)
    try:
        found = certificates_in(data, "file")
    except ConfigError:
        return
    for each in found:
        tell(judge([each], anchors(), purpose=Purpose.SERVER, name=NAMED, at=NOON))
        tell(judge([each], anchors("web"), purpose=Purpose.SERVER, name=NAMED, at=NOON))
        assert summary(Certificate(b"", (CertificateEntry(each, ()),))).isprintable()


# -- what the gate promises ------------------------------------------------------------------------------

_SUCCESSFUL = OCSPResponseStatus.SUCCESSFUL
# What the parser warns of, it warns of whenever it is read.
BEARING = pytest.mark.filterwarnings("ignore:Parsed a serial number", "ignore:Attribute's length")
# What nobody reads of them, and what `parsing` has functions for.
UNPROMISED = {
    "attributes",
    "signature_hash_algorithm",
    "signature_algorithm_parameters",
    "tbs_precertificate_bytes",
}
# What speaks for the only answer of a response, where several may stand.
SINGLE = {"certificate_status", "hash_algorithm", "revocation_reason", "serial_number", "single_extensions"}


def _parts(holder: object) -> list[str]:
    names = [each for each in dir(type(holder)) if not each.startswith("_")]
    return [
        each
        for each in names
        if each not in UNPROMISED
        and f"{each}_utc" not in names  # deprecated: without its zone
        and not (isinstance(holder, OCSPResponse) and _is_single(each))
        and not callable(getattr(type(holder), each, None))
    ]


def _is_single(part: str) -> bool:
    return part in SINGLE or part.startswith(("issuer_", "this_update", "next_update", "revocation_time"))


@BEARING
def test_objects_that_the_gate_returns_can_be_read_completely(full: bool) -> None:
    """Every attribute of every certificate, CRL and request, in public files and in mutants."""
    whole = 0
    for read, holder in _whole(full):
        for part in _parts(holder):
            try:
                getattr(holder, part)
            except Exception as error:  # noqa: BLE001 - this is what must not happen
                pytest.fail(f"{read}: {part} raises {error!r}")
        whole += 1
    assert whole > (1000 if full else 40)


def _whole(full: bool):
    draws = random.Random("whole")
    paths = list(public_files())
    data = [path.read_bytes() for path in (paths if full else draws.sample(paths, FILES))]
    for made, read in (
        ("leaf", parsing.certificate),
        ("list", parsing.crl),
        ("request", parsing.signing_request),
        ("question", parsing.ocsp_request),
        ("response", parsing.ocsp_response),
    ):
        mutants = [MAKERS[made](draws) for _ in range(COUNT * (TIMES if full else 1))]
        for each in data + mutants:
            found = parsing.readable("", read, each)
            if found is not None and getattr(found, "response_status", None) in (None, _SUCCESSFUL):
                yield read.__name__, found


@BEARING
def test_what_trust_takes_apart_keeps_what_it_says_of_itself(full: bool) -> None:
    """`ParsedCertificate.x509` goes to programs: its numbers, dates and key were read when it was loaded."""
    draws = random.Random("parsed")
    for _ in range(COUNT * (TIMES if full else 1)):
        parsed = parsing.readable("", ParsedCertificate, MAKERS["leaf"](draws))
        if parsed is not None and parsing.readable("", parsed.load) is not None:
            found = parsed.x509
            assert found.public_key() == parsed.key
            assert (found.not_valid_before_utc, found.not_valid_after_utc) == parsed.period
            assert found.serial_number == int.from_bytes(parsed.serial, "big", signed=True)
            assert (found.version.value + 1, found.signature_algorithm_oid) is not None
            assert parsed.subject_text and parsed.issuer_text
