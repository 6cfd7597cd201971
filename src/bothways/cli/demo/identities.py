"""The identities of the demo: two CAs, a server, a client, and clients and servers that must be refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from bothways.ca.authority import Addresses, Authority, Issued, utc_now
from bothways.ca.crl import RevokedEntry, build_crl
from bothways.ca.keys import KeyType, PrivateKey, new_key, signature_hash
from bothways.ca.profiles import Profile
from bothways.trust.anchors import TrustStore
from bothways.trust.crl_store import CRLStore
from bothways.trust.decoding import parsing
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.own_identity.credentials import Credentials

SERVER_NAME = "bank.example"
CLIENT_NAME, CLIENT_EMAIL = "Ada Lovelace", ("ada@shop.example",)
LIFETIME = timedelta(days=1)


@dataclass(frozen=True)
class DemoIdentities:
    """The credentials of the demo, and the trust anchors of both sides."""

    root: x509.Certificate
    intermediate: x509.Certificate
    issuing: Authority
    anchors: TrustStore
    server: Credentials
    client: Credentials
    expired_server: Credentials
    classic_server: Credentials
    stranger: Credentials
    other_key: PrivateKey
    nobody_revoked: CRLStore
    client_revoked: CRLStore
    expired_lists: CRLStore
    server_status: OCSPStore
    client_status: OCSPStore
    altered_status: OCSPStore

    def everyone(self) -> Iterator[tuple[str, x509.Certificate]]:
        """Yield each certificate of the successful handshakes with a description."""
        yield "root", self.root
        yield "intermediate", self.intermediate
        yield "server", self.server.certificate
        yield "client", self.client.certificate

    def client_that_names(self, responder: str) -> Credentials:
        """Return credentials of a client whose certificate names this OCSP responder (RFC 5280 4.2.2.1)."""
        issuing = replace(self.issuing, addresses=Addresses(ocsp=(responder,)))
        return _credentials(issuing.issue(Profile.CLIENT, CLIENT_NAME, email=CLIENT_EMAIL, lifetime=LIFETIME))


def issue_identities() -> DemoIdentities:
    """Create all of them; nothing is stored."""
    root = Authority.create("Demo Root", lifetime=2 * LIFETIME)
    issuing = root.intermediate("Demo Issuing CA", lifetime=2 * LIFETIME)
    other = Authority.create("Somebody Else's Root", lifetime=2 * LIFETIME)
    server = issuing.issue(Profile.SERVER, SERVER_NAME, dns=[SERVER_NAME], lifetime=LIFETIME)
    client = issuing.issue(Profile.CLIENT, CLIENT_NAME, email=CLIENT_EMAIL, lifetime=LIFETIME)
    expired = issuing.issue(
        Profile.SERVER, SERVER_NAME, dns=[SERVER_NAME], lifetime=LIFETIME, at=utc_now() - 30 * LIFETIME
    )
    classic = issuing.issue(
        Profile.SERVER, SERVER_NAME, dns=[SERVER_NAME], lifetime=LIFETIME, key_type=KeyType.RSA3072
    )
    now = utc_now()
    responder = issuing.issue(Profile.OCSP, "Demo Responder", lifetime=LIFETIME)
    server_status = _status(issuing, responder, server, now)
    stranger = other.issue(Profile.CLIENT, "Mallory", email=["mallory@elsewhere.example"], lifetime=LIFETIME)
    return DemoIdentities(
        root=root.certificate,
        intermediate=issuing.certificate,
        issuing=issuing,
        anchors=TrustStore.from_pem(root.root_pem),
        server=_credentials(server),
        client=_credentials(client),
        expired_server=_credentials(expired),
        classic_server=_credentials(classic),
        stranger=_credentials(stranger),
        other_key=new_key(KeyType.P256),
        nobody_revoked=_lists(root, issuing, (), now),
        client_revoked=_lists(root, issuing, (RevokedEntry(client.serial, now, "keyCompromise"),), now),
        expired_lists=_lists(root, issuing, (), now - 30 * LIFETIME),
        server_status=_responses(server_status),
        client_status=_responses(_status(issuing, responder, client, now)),
        altered_status=_responses(_with_inverted_bit(server_status)),
    )


def _lists(root: Authority, issuing: Authority, revoked: tuple[RevokedEntry, ...], at: datetime) -> CRLStore:
    """Return the CRLs of both CAs at a time."""
    lists = (build_crl(root, (), 1, at, at + LIFETIME), build_crl(issuing, revoked, 1, at, at + LIFETIME))
    return CRLStore.from_pem(b"".join(each.public_bytes(Encoding.PEM) for each in lists))


def _status(issuing: Authority, responder: Issued, of: Issued, at: datetime) -> bytes:
    """Return the OCSP response for a certificate that is good (RFC 6960 4.2)."""
    if responder.key is None:
        raise ValueError("the responder has no key")
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            of.certificate,
            issuing.certificate,
            SHA256(),
            ocsp.OCSPCertStatus.GOOD,
            at,
            at + LIFETIME,
            None,
            None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.NAME, responder.certificate)
        .certificates([responder.certificate])
    )
    signed = builder.sign(responder.key, signature_hash(responder.key))
    return signed.public_bytes(Encoding.DER)


def _responses(response: bytes) -> OCSPStore:
    """Return a store with one OCSP response, for stapling."""
    return OCSPStore([OCSPResponse(response)])


def _with_inverted_bit(response: bytes) -> bytes:
    """Return the response with the last bit of its signature inverted."""
    signature = parsing.ocsp_response(response).signature
    return response.replace(signature, signature[:-1] + bytes((signature[-1] ^ 1,)))


def _credentials(issued: Issued) -> Credentials:
    return Credentials.from_pem(issued.chain_pem, issued.key_pem)
