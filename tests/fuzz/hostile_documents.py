"""Certificates, CRLs, OCSP responses and requests that are wrong inside, and everybody who reads such.

What is mutated is signed anew by who has to, so that the rules behind the signature are reached. Each target
has its list of documented exceptions: anything else is a finding.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from ipaddress import ip_network
from pathlib import Path

import click
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AttributeOID, AuthorityInformationAccessOID

from bothways import ConfigError, Credentials, InternalError, TrustStore
from bothways.ca.authority import Authority
from bothways.ca.errors import AuthorityError
from bothways.ca.import_existing import read_earlier_crl, read_issued_certificate
from bothways.ca.ocsp import OCSPError, Responder
from bothways.ca.requests import read_request
from bothways.cli.commands import bothways
from bothways.describe.documents import Unreadable, documents
from bothways.describe.recorder import Recorder
from bothways.diagnosis import explain_verdict
from bothways.doctor.chain import cards, certificate_rows
from bothways.faults import Blame
from bothways.ladder.layout import lay_out
from bothways.ladder.text import as_text
from bothways.trust.crl.revocation_list import crls_in
from bothways.trust.crl_store import CRLStore
from bothways.trust.decoding.parsing import EncodingError, PassphraseNeeded
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.evidence.fetched import FetchedEvidence
from bothways.trust.ocsp.response import responses_in
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.path.policies import Policies
from bothways.trust.path.validation import read_leaf
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Purpose, Refused, Verdict
from bothways.trust.verification import verify as judge
from bothways.trust.verification import verify as judge_by_evidence
from fuzz.der_mutation import mutant, parse
from pair import NOON, Pair
from pki import (
    Issued,
    crl,
    der,
    intermediate,
    issuing_point,
    leaf,
    name,
    ocsp_response,
    responder,
    root,
)
from raw_certificates import raw
from tls.handshake.conversations import client_config, credentials_of, server_config

NAMED = "server.example"
POLICY = x509.ObjectIdentifier("1.2.3")
KEPT = (EncodingError, ConfigError, AuthorityError)


def _address(text: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(f"http://a.example/{text}")


def _point(text: str, **options: object) -> x509.DistributionPoint:
    parts = {"reasons": None, "crl_issuer": None} | options
    return x509.DistributionPoint([_address(text)], None, **parts)  # type: ignore[arg-type]


ROOT = root()
CA = intermediate(
    ROOT,
    extra=[
        (
            x509.NameConstraints(
                [
                    x509.DNSName("example"),
                    x509.IPAddress(ip_network("10.0.0.0/8")),
                    x509.RFC822Name("a.example"),
                ],
                [x509.DNSName("bad.example"), x509.UniformResourceIdentifier(".x.example")],
            ),
            True,
        ),
        (x509.CertificatePolicies([x509.PolicyInformation(POLICY, None)]), False),
        (x509.PolicyConstraints(0, 1), True),
        (x509.InhibitAnyPolicy(0), True),
        raw("2.5.29.33", bytes.fromhex("3008300606012a06012b"), True),
    ],
)
LEAF = leaf(
    CA,
    name(NAMED, O="Example"),
    alternatives=(f"DNS:{NAMED}", "IP:10.0.0.1", "URI:spiffe://a.example/b", "EMAIL:a@a.example", "DN:Other"),
    usage=("serverAuth", "clientAuth"),
    extra=[
        (
            x509.CRLDistributionPoints(
                [
                    _point("c", reasons=frozenset([x509.ReasonFlags.key_compromise])),
                    _point("i", crl_issuer=[x509.DirectoryName(name("Intermediate"))]),
                ]
            ),
            False,
        ),
        (
            x509.AuthorityInformationAccess(
                [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, _address("o"))]
            ),
            False,
        ),
        (
            x509.CertificatePolicies(
                [x509.PolicyInformation(POLICY, ["http://a.example", x509.UserNotice(None, "notice")])]
            ),
            False,
        ),
        (x509.TLSFeature([x509.TLSFeatureType.status_request]), False),
        (x509.FreshestCRL([_point("d")]), False),
        (x509.IssuerAlternativeName([x509.DNSName("issuer.example")]), False),
    ],
)
LIST = crl(
    CA,
    LEAF,
    point=issuing_point(["URI:http://a.example/c"], reasons=["key_compromise"]),
    extra=[(x509.FreshestCRL([_point("d")]), False)],
    entry_extra=[
        (x509.CRLReason(x509.ReasonFlags.key_compromise), False),
        (x509.InvalidityDate(NOON.replace(tzinfo=None)), False),
        (x509.CertificateIssuer([x509.DirectoryName(name("Intermediate"))]), True),
    ],
)
EARLIER = crl(CA, LEAF)
RESPONSES = (
    ocsp_response(LEAF, CA, signer=responder(CA), nonce=b"nonce"),
    ocsp_response(LEAF, CA, "revoked", reason="key_compromise"),
)
REQUEST = (
    x509.CertificateSigningRequestBuilder()
    .subject_name(name("alice"))
    .add_extension(
        x509.SubjectAlternativeName([x509.DNSName("a.example"), x509.RFC822Name("a@a.example")]), False
    )
    .add_extension(x509.BasicConstraints(False, None), True)
    .add_attribute(AttributeOID.CHALLENGE_PASSWORD, b"password")
    .sign(LEAF.key, hashes.SHA256())  # type: ignore[arg-type]
    .public_bytes(Encoding.DER)
)
QUESTION = (
    ocsp.OCSPRequestBuilder()
    .add_certificate(LEAF.certificate, CA.certificate, hashes.SHA1())
    .add_extension(x509.OCSPNonce(b"nonce"), False)
    .build()
    .public_bytes(Encoding.DER)
)


def pem(data: bytes, label: bytes = b"CERTIFICATE") -> bytes:
    return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label, base64.encodebytes(data), label)


# -- what is made ----------------------------------------------------------------------------------------


def signed_anew(document: bytes, signer: Issued, draws: random.Random) -> bytes:
    """Return a signed document whose signed part is a mutant, under a signature that holds."""
    signed, algorithm, _ = parse(document).children or ()
    changed = mutant([signed.encode()], draws)
    assert isinstance(signer.key, ec.EllipticCurvePrivateKey)
    signature = signer.key.sign(changed, ec.ECDSA(hashes.SHA256()))
    return der(0x30, changed + algorithm.encode() + der(0x03, b"\0" + signature))


def unsigned(*documents: bytes) -> Callable[[random.Random], bytes]:
    return lambda draws: mutant(documents, draws)


MAKERS: dict[str, Callable[[random.Random], bytes]] = {
    "leaf": partial(signed_anew, LEAF.der, CA),
    "CA": partial(signed_anew, CA.der, ROOT),
    "list": partial(signed_anew, LIST, CA),
    "earlier list": partial(signed_anew, EARLIER, CA),
    "request": partial(signed_anew, REQUEST, LEAF),
    "response": unsigned(*RESPONSES),
    "question": unsigned(QUESTION),
    "whatever": unsigned(LEAF.der, CA.der, LIST, REQUEST, *RESPONSES, QUESTION),
}


# -- who reads it ----------------------------------------------------------------------------------------


@cache
def anchors(profile: str = "private") -> TrustStore:
    return TrustStore([ROOT.der], profile=profile)  # type: ignore[arg-type]


def tell(verdict: Verdict) -> None:
    """All that a verdict says can be said."""
    repr(verdict)
    if isinstance(verdict, Refused):
        assert all(str(reason).isascii() for reason in verdict.reasons)


def judged(chain: list[bytes], **options: object) -> None:
    """Documented: nothing."""
    asked = {"purpose": Purpose.SERVER, "name": NAMED, "at": NOON} | options
    for profile in ("private", "web"):
        tell(judge(chain, anchors(profile), **asked))  # type: ignore[arg-type]


def judge_chain(chain: list[bytes]) -> None:
    """Documented: nothing."""
    judged(chain)
    judged(chain, purpose=None, name=None, policies=Policies(frozenset({"1.2.3"}), required=True))


def judge_revocation(chain: list[bytes], lists: bytes = LIST, responses: bytes = RESPONSES[0]) -> None:
    """Documented: ConfigError for evidence that is read from a file."""
    store, answers = CRLStore(crls_in(lists, "lists")), OCSPStore(responses_in(responses, "responses"))
    assert repr(list(store)) and repr(answers)
    for revocation in (
        Revocation(crls=store),
        Revocation(ocsp=answers, crls=store, staples="use", fetch=Fetch(), unknown="accept"),
    ):
        tell(
            judge_by_evidence(
                chain,
                anchors(),
                purpose=Purpose.SERVER,
                name=None,
                at=NOON,
                revocation=revocation,
                staples=(responses,),
                fetched=FetchedEvidence(),
            )
        )


def judge_staple(data: bytes) -> None:
    """Documented: nothing."""
    required = Revocation(staples="require")
    asked = {"purpose": Purpose.SERVER, "name": None, "at": NOON, "revocation": required}
    tell(judge_by_evidence(LEAF.chain, anchors(), staples=(data,), **asked))  # type: ignore[arg-type]


def read_as_anchor(data: bytes) -> None:
    """Documented: ConfigError."""
    store = TrustStore([data])
    assert repr(store) and store.readable_names and store.subjects
    tell(judge(LEAF.chain, store, purpose=Purpose.SERVER, name=NAMED, at=NOON))


def read_as_identity(data: bytes) -> None:
    """Documented: ConfigError."""
    assert repr(Credentials.external(pem(data)))
    assert repr(Credentials.from_pem(pem(data) + LEAF.key_pem))


def show(data: bytes, label: bytes = b"") -> None:
    """Documented: Unreadable, PassphraseNeeded."""
    for document in documents(pem(data, label) if label else data, NOON):
        assert document.kind and document.title.isprintable()
        assert all(text.isprintable() for fact in document.facts for text in fact)


def examine(data: bytes) -> None:
    """Documented: nothing."""
    chain = [data, CA.der]
    verdict = judge(chain, anchors(), purpose=Purpose.SERVER, name=NAMED, at=NOON)
    rows = list(certificate_rows(chain, verdict, anchors(), NOON))
    assert rows and all(row.text.isprintable() for row in rows)
    assert all(card.title.isprintable() for card in cards("server", chain, NOON))
    if isinstance(verdict, Refused):
        why = explain_verdict(verdict, chain, anchors(), purpose=Purpose.SERVER, name=NAMED, at=NOON)
        assert all(line.isprintable() for line in why.lines())


@cache
def authority() -> Authority:
    return Authority(CA.certificate, CA.key, (ROOT.certificate,), now=lambda: NOON)  # type: ignore[arg-type]


def take_over(data: bytes) -> None:
    """Documented: ImportRefused, ConfigError."""
    adopted = read_issued_certificate(data, authority(), "certificate")
    assert adopted.serial > 0


def answer(data: bytes) -> None:
    """Documented: Unanswerable."""
    Responder(CA.certificate, lambda: (_ for _ in ()).throw(AssertionError), lambda: NOON).read(data)


def present(data: bytes, *, by_server: bool, version: str = "1.3") -> None:
    """One side shows a mutant of its own certificate, and proves that it has the key. Documented: nothing.

    What happened can be drawn as a ladder.
    """
    own, store = credentials_of(LEAF), anchors()
    own.chain = (data, CA.der)
    ours, theirs = Recorder(), Recorder()
    if by_server:
        server = server_config(credentials=own, client_auth="none", versions=(version,))
        client = client_config(anchors=store, credentials=None, versions=(version,))
    else:
        server = server_config(client_anchors=store, versions=(version,))
        client = client_config(credentials=own, versions=(version,))
    name = NAMED if by_server else "localhost"
    talk = Pair(client.connection(name, observer=ours), server.connection(observer=theirs))
    talk.exchange()
    for failure in (talk.client_failure, talk.server_failure):
        assert not isinstance(failure, InternalError), "a defect"
        assert str(failure).isascii()
    errors = {"client_error": talk.client_failure, "server_error": talk.server_failure}
    assert as_text(lay_out(ours.notes, theirs.notes, NOON, **errors))


def command(words: tuple[str, ...], data: bytes, folder: Path) -> int:
    """Run a command on a file. Documented: an exit status, ConfigError, what click says of wrong use."""
    file = folder / "document"
    file.write_bytes(data)
    return run_command(*(str(file) if word == "FILE" else word for word in words))


def run_command(*words: str) -> int:
    """Run a command and return its status; what is no documented end of one is raised."""
    result = CliRunner().invoke(bothways, list(words), standalone_mode=False)
    error = result.exception
    if error is not None and not isinstance(
        error, SystemExit | ConfigError | AuthorityError | click.ClickException
    ):
        raise error
    return result.exit_code


@dataclass(frozen=True)
class Target:
    """Who reads mutants of which document, and what may be raised for them."""

    made: str
    run: Callable[[bytes], object]
    documented: tuple[type[BaseException], ...] = ()
    dear: int = 1  # takes so many times as long as another, and gets so many fewer mutants

    def sweep(self, count: int, seed: str) -> int:
        """Read `count` mutants, the same in every run; return how many were read without an error."""
        draws = random.Random(seed)
        done = 0
        for _ in range(count // self.dear):
            with suppress(*self.documented):
                self.run(MAKERS[self.made](draws))
                done += 1
        return done


TARGETS: dict[str, Target] = {
    "leaf is judged": Target("leaf", lambda data: judge_chain([data, CA.der])),
    "CA is judged": Target("CA", lambda data: judge_chain([LEAF.der, data])),
    "status of a leaf is judged": Target("leaf", lambda data: judge_revocation([data, CA.der])),
    "status below a CA is judged": Target("CA", lambda data: judge_revocation([LEAF.der, data])),
    "list is judged by": Target("list", lambda data: judge_revocation(LEAF.chain, lists=data), KEPT),
    "response is judged by": Target(
        "response", lambda data: judge_revocation(LEAF.chain, responses=data), KEPT
    ),
    "staple is judged by": Target("response", judge_staple),
    "leaf is read": Target("leaf", lambda data: read_leaf(data, anchors()), (Blame,)),
    "anchor is read": Target("CA", read_as_anchor, KEPT),
    "identity is read": Target("leaf", read_as_identity, KEPT),
    "request is read": Target("request", lambda data: read_request(data, "request"), KEPT),
    "question is answered": Target("question", answer, (OCSPError,)),
    "certificate is taken over": Target("leaf", take_over, KEPT),
    "list is taken over": Target(
        "earlier list", lambda data: read_earlier_crl(data, "list", authority()), KEPT
    ),
    "document is shown": Target("whatever", show, (Unreadable, PassphraseNeeded)),
    "PEM is shown": Target("leaf", partial(show, label=b"CERTIFICATE")),
    "leaf is examined": Target("leaf", examine),
    "server presents it": Target("leaf", partial(present, by_server=True), dear=4),
    "client presents it": Target("leaf", partial(present, by_server=False), dear=4),
    "server of TLS 1.2 presents it": Target("leaf", partial(present, by_server=True, version="1.2"), dear=4),
    "client of TLS 1.2 presents it": Target("leaf", partial(present, by_server=False, version="1.2"), dear=4),
}


def public_files() -> Iterator[Path]:
    """Every file that `cryptography` tests itself with which is a document, not a table of numbers."""
    import cryptography_vectors

    base = Path(cryptography_vectors.__file__).parent
    for folder in ("x509", "pkcs12", "pkcs7", "asymmetric"):
        for path in sorted((base / folder).rglob("*")):
            if path.is_file() and path.suffix not in (".py", ".pyc") and path.stat().st_size < 300_000:
                yield path
