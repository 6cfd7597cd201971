"""One failure and everything that is known about it: what the rules of diagnosis are applied to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from bothways.describe.escape import visible
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.diagnosis.self_check import reasons_against, revocations
from bothways.diagnosis.situation import UNNAMED, AcceptedCertificates, Chain, Observed, OwnSide, Situation
from bothways.diagnosis.stacks import Stack, stack_of
from bothways.errors import PeerAlert, PeerFault, Truncated
from bothways.faults import Reason
from bothways.roles import Progress, Role
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.verdict import Purpose

EVIDENCE_LIMIT = 400
CERTIFICATE_LIMIT = 16  # of a chain are looked at, as trust does

Rule = Callable[["Case"], Iterator[Likely]]


@dataclass(frozen=True)
class Case:
    """A failure in its situation. `error` is what ended the connection."""

    error: Exception
    situation: Situation

    @property
    def own_side(self) -> OwnSide:
        """What is known of our own side."""
        return self.situation.own_side

    @property
    def observed(self) -> Observed:
        """What was observed of the handshake."""
        return self.situation.observed

    @property
    def role(self) -> Role:
        """Our role."""
        return self.own_side.role

    @property
    def is_client(self) -> bool:
        """Whether we are the client."""
        return self.role is Role.CLIENT

    @property
    def progress(self) -> Progress:
        """How far the connection had come: by the error, or for an error of the network by what was observed."""
        if isinstance(self.error, (PeerAlert, PeerFault, Truncated)):
            return self.error.progress
        return self.observed.progress

    @property
    def trusted(self) -> str:
        """Our trust anchors, as text."""
        anchors = self.own_side.anchors
        return ", ".join(anchors.readable_names) if anchors is not None else "our CAs"

    @property
    def refusal(self) -> PeerFault:
        """The error as a refusal of ours. Raises `TypeError` for any other error."""
        if not isinstance(self.error, PeerFault):
            raise TypeError(f"{type(self.error).__name__} is not a refusal by us")
        return self.error

    @property
    def alert(self) -> int | None:
        """The alert by which the peer refused us, or None."""
        return self.error.alert if isinstance(self.error, PeerAlert) else None

    @property
    def request(self) -> AcceptedCertificates | None:
        """What the server's CertificateRequest asked for, or None."""
        return self.observed.request

    @cached_property
    def chain(self) -> tuple[ParsedCertificate, ...]:
        """Our chain as the peer received it; empty where it received none."""
        return parsed(self.situation.chain_for_peer or ())

    @property
    def peer_schemes(self) -> tuple[int, ...]:
        """The signature schemes that the peer listed: a server in its request, a client in its hello."""
        listed = self.request if self.is_client else self.observed.offer
        return listed.schemes if listed is not None else ()

    @cached_property
    def stack(self) -> Stack | None:
        """The TLS implementation that the peer seems to be, or None."""
        return stack_of(self.peer_schemes)

    @property
    def purpose(self) -> Purpose:
        """The purpose that our certificate has to be valid for."""
        return Purpose.CLIENT if self.is_client else Purpose.SERVER

    @property
    def peers_purpose(self) -> Purpose:
        """The purpose that the peer's certificate has to be valid for."""
        return Purpose.SERVER if self.is_client else Purpose.CLIENT

    @cached_property
    def own_reasons(self) -> tuple[Reason, ...]:
        """The reasons for which our own verification would refuse our chain."""
        asked = self.observed.offer.server_name if self.observed.offer is not None else None
        ours, now = self.own_side, self.situation.now
        found = reasons_against(self.chain, self.purpose, asked, now)
        return (
            found if ours.crls is None else (*found, *revocations(self.chain, ours.anchors, ours.crls, now))
        )

    @cached_property
    def peer_chain(self) -> tuple[ParsedCertificate, ...]:
        """The peer's chain, as far as it can be decoded."""
        return parsed(tuple(dict.fromkeys(self.observed.chain or ())))

    @cached_property
    def own_certificates(self) -> tuple[ParsedCertificate, ...]:
        """The certificates of all chains that we may send."""
        return tuple(each for chain in self.own_side.own for each in parsed(chain))

    @property
    def _is_unprobed(self) -> bool:
        """Whether our hello was refused or not answered, and no other hello has shown why."""
        return (
            self.is_client
            and bool(self.observed.sent)
            and self.progress is Progress.HELLO
            and self.situation.probed is None
            and not self.own_side.ech
        )

    @property
    def _shows_a_file(self) -> bool:
        """Whether we have a certificate whose file is known by its name."""
        return self.is_client and bool(self.own_side.own) and self.own_side.files.cert != UNNAMED.cert

    def likely(
        self,
        cause: Cause,
        party: Party = Party.PEERS,
        weight: Weight = Weight.POSSIBLE,
        evidence: str = "",
        **facts: object,
    ) -> Likely:
        """Return a cause with the facts that every row may contain."""
        common = UNKNOWN | self._facts_of(party) | self._connection_facts | self._given_facts
        if cause is Cause.TLS_AT_ONCE:
            common["given_starttls"] = ""
        return Likely(cause, party, weight, _plain(evidence), common | facts)

    def _facts_of(self, party: Party) -> dict[str, object]:
        """Return the words for a party and for the other one."""
        peer, ours = self.role.peer, party is Party.OURS
        whose = "our" if ours else f"the {peer}'s"
        return {
            "peer": peer,
            "whose": whose,
            "who": "we" if ours else f"the {peer}",
            "forwards": "we forward" if ours else f"the {peer} forwards",
            "refused": "" if ours else ", or one of the two refuses the other",
            "forwarder": f"us, {self.own_side.address}," if ours else "it",
            "other": f"the {peer}" if ours else "our side",
            "subject": f"{whose} certificate",
            "undecoded": f"{whose} certificate cannot be decoded",
            "offering": f"offer a protocol that the {peer} supports, often h2 or http/1.1",
        }

    @property
    def _connection_facts(self) -> dict[str, object]:
        """Where we connected, and when."""
        own = self.own_side
        host, _, port = own.address.rpartition(":")
        return {
            "address": own.address or "that address",
            "target": own.address if self.is_client else "",
            "port": port if self.is_client else "",
            "host": host.strip("[]") if self.is_client else "",
            "name": own.server_name or "",
            "starttls": own.starttls,
            "now": f"{self.situation.now:%Y-%m-%d %H:%M} UTC",
            "unprobed": self._is_unprobed,
            "during": "" if self.progress is Progress.ACCEPTED else " during the handshake",
        }

    @property
    def _given_facts(self) -> dict[str, object]:
        """What our command was given: the commands of a remedy repeat it."""
        own, files = self.own_side, self.own_side.files
        host = own.address.rpartition(":")[0].strip("[]")
        return {
            "given_starttls": own.starttls,
            "given_alpn": ",".join(each.decode("ascii", "ignore") for each in own.protocols),
            "given_cert": files.cert if self._shows_a_file else "",
            "given_key": files.key if self._shows_a_file else "",
            "given_ech": own.ech,
            "given_options": files.options if self.is_client else (),
            "given_name": own.server_name if own.server_name not in (None, host) else "",
            "cert": files.cert,
            "key": files.key,
            "ca": files.ca,
            "anchors": files.ca if files.ca != UNNAMED.ca else ANCHORS[self.role],
            "getting": _getting(own.fetches),
        }


# Facts that rules replace where they know more.
UNKNOWN: dict[str, object] = {
    "detail": "",
    "failing": "neither TLS nor the network failed, as far as is known",
    "succeeded": "TLS succeeded; ",
    "beginning": "the port uses implicit TLS: TLS begins with the first byte, without a request",
    "another_key": "use a certificate with another kind of key; "
    "RSA of 2048 bits and P-256 are accepted nearly everywhere",
    "silence": "the service on that port does not answer to TLS: it is another service, or it is overloaded",
    "looking": "check the port; if it is the right one, ",
    "comparing": "since 2017 clients compare only the subjectAltName of a server's certificate",
    "cut": "ended the connection",
    "cutting": "",
    "requesting": "",
    "mending": "have it issued again",
    "enabling": "TLS 1.2 or 1.3",
    "speaking": "have the client use https:// in the URL; "
    "a proxy that ends TLS in front of us has to begin it again",
    "sharing": "give both sides the same identity, secret and hash, and each the name of the other as its peer",
    "by": "",
    "offer": "PROTOCOL",
    "classic": "",
    "groups": "x25519,secp256r1",
    "also": "",
    "above": False,
    "lasting": "a revoked certificate does not become valid again",
    "fitting": "install the key that its certificate was requested with",
    "pins": "the file of those certificates",
    "naming": "connect with a name that it contains, or ",
    "instead": "",
    "using": "use its HTTPS port, often 443 or 8443",
    "opening": "",
    "longer": "nginx `ssl_verify_depth 3`, Apache `SSLVerifyDepth 3`, OpenSSL `-verify_depth 3`",
}


# Where trust anchors are set, where no file of them is known: by a program, or in the file of a gateway.
ANCHORS: dict[Role, str] = {
    Role.CLIENT: "our trust anchors (`anchors` of ClientConfig, --ca of a command)",
    Role.SERVER: "our trust anchors (`client_anchors` of ServerConfig, `client_ca` of a gateway's file, --client-ca)",
}


def _getting(fetches: bool) -> str:
    """Return how we get to know a revocation status that we do not know. fetches: whether it was tried to fetch it."""
    if fetches:
        return "have the CA's OCSP responder or its CRL made available, or configure the current CRL here"
    return "configure the CA's current certificate revocation list (CRL), or have it fetched (--fetch)"


def _plain(evidence: str) -> str:
    """Return evidence as short printable ASCII: it may contain names that a peer chose."""
    return visible(evidence, EVIDENCE_LIMIT).encode("ascii", "backslashreplace").decode("ascii")


def one(cause: Cause, party: Party, weight: Weight = Weight.POSSIBLE) -> Rule:
    """Return a rule that always yields one cause."""

    def rule(case: Case) -> Iterator[Likely]:
        yield case.likely(cause, party, weight)

    return rule


def parsed(chain: Chain | Sequence[bytes]) -> tuple[ParsedCertificate, ...]:
    """Return the certificates of a chain, up to the first that cannot be decoded."""
    found = []
    for der in chain[:CERTIFICATE_LIMIT]:
        try:
            certificate = ParsedCertificate(der)
            certificate.load()
        except ValueError:
            break
        found.append(certificate)
    return tuple(found)
