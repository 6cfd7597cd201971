"""The whole examination: what is asked in which order, how many connections that takes, and the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography.hazmat.primitives.serialization import Encoding

from bothways.diagnosis import Explanation, Files, HandshakeFacts, explain
from bothways.diagnosis.situation import UNNAMED
from bothways.doctor.attempts import Attempt, attempt, parts_of
from bothways.doctor.chain import cards, certificate_rows, days_rows, shown
from bothways.doctor.dial import Caller, Place, Spent
from bothways.doctor.evidence import of_survey
from bothways.doctor.findings import (
    handshake_rows,
    outcome_rows,
    request_rows,
    server_rows,
    unreachable_rows,
)
from bothways.doctor.identity import Wanted, identity_rows
from bothways.doctor.report import Report, Row, Section
from bothways.doctor.survey import PLAN, Survey
from bothways.errors import StartTLSFailed
from bothways.ladder.model import Card
from bothways.roles import Version
from bothways.starttls import Protocol
from bothways.tls.config import ClientConfig
from bothways.tls.handshake.settings import VERSIONS
from bothways.tls.wire import tls12
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate import ParsedCertificate
from bothways.trust.credentials import Credentials
from bothways.trust.revocation import Revocation

FULL_PLAN = {**PLAN, "whole handshakes": len(VERSIONS) + 1}
CONNECTION_LIMIT = sum(FULL_PLAN.values())
HTTP = ("http/1.1",)
ANCHORS_SHOWN = 20


@dataclass(frozen=True)
class Examination:
    """What was learned of one server: by questions, by handshakes without a certificate, and by the last one.

    `final` is the handshake with all that was given; None where nothing speaks TLS. `unreachable` says why
    there is nothing at all.
    """

    caller: Caller
    config: ClientConfig
    survey: Survey
    looks: tuple[Attempt, ...] = ()
    final: Attempt | None = None
    unreachable: Explanation | None = None

    def report(self) -> Report:
        """Return all of it as values and findings."""
        reached = self.unreachable is None
        return Report(
            format="bothways-doctor",
            version=1,
            examined=str(self.caller.place),
            at=self._now.isoformat(timespec="seconds"),
            profile=self.config.anchors.profile,
            outcome="succeeded" if self.final is not None and self.final.succeeded else "failed",
            connections=self.caller.made,
            connection_limit=self.caller.limit,
            server=self.survey.server() if reached else None,
            handshakes=tuple(each.facts() for each in self._made),
            certificates=tuple(self._cards()),
            sections=tuple(Section(*each) for each in self._sections() if each[2]),
        )

    @property
    def _now(self) -> datetime:
        return self.config.clock.now()

    @property
    def _made(self) -> tuple[Attempt, ...]:
        return self.looks if self.final is None else (*self.looks, self.final)

    @property
    def _seen(self) -> Attempt | None:
        """The handshake by which the server's certificate is told: the last that showed it."""
        return next((each for each in reversed(self._made) if each.chain), None)

    def _sections(self) -> Iterator[tuple[str, str, tuple[Row, ...]]]:
        config, seen, now = self.config, self._seen, self._now
        if self.unreachable is not None:
            yield "server", "What it supports", tuple(unreachable_rows(self.unreachable))
        else:
            server, looks = self.survey.server(), [each.facts() for each in self.looks]
            every = [each.facts() for each in self._made]
            yield "server", "What it supports", tuple(server_rows(server))
            yield "handshake", "What a handshake shows", tuple(handshake_rows(server, every))
            yield "request", "Whether it asks for a client certificate", tuple(request_rows(looks))
        if seen is not None:
            rows = certificate_rows(seen.chain, seen.verdict, config.anchors, now)
            yield "certificate", "Its certificate", tuple(rows)
        own = config.settings.identity.own
        if own:
            rows = identity_rows(own[0], config.anchors, tuple(self._wanted()), now)
            yield "identity", "Our certificate", tuple(rows)
        if self.final is not None:
            rows = outcome_rows(
                self.final.facts(),
                self.final.explanation,
                self.final.answer,
                refused=self.final.refusal is not None,
            )
            yield "outcome", "The handshake with all that was given", tuple(rows)

    def _wanted(self) -> Iterator[Wanted]:
        """What the server asked of our certificate, once for each version."""
        known = set()
        for each in self._made:
            request = each.request
            if request is not None and type(request) not in known:
                known.add(type(request))
                authorities, schemes, types = parts_of(request)
                is_12 = isinstance(request, tls12.CertificateRequest)
                version = Version.TLS12 if is_12 else Version.TLS13
                yield Wanted(authorities, schemes, types if is_12 else None, version)

    def _cards(self) -> Iterator[Card]:
        if self._seen is not None:
            yield from cards("server", self._seen.chain, self._now)
        own = self.config.settings.identity.own
        if own:
            yield from cards("client", own[0].chain, self._now)


def examine(
    place: Place,
    config: ClientConfig,
    *,
    files: Files = UNNAMED,
    path: str | None = None,
    timeout: float = 10.0,
    starttls: Protocol | None = None,
) -> Examination:
    """Examine one server as a client of it with this configuration would, by at most `CONNECTION_LIMIT` connections.

    files: what our files are called.  path: what to ask for over HTTP; None: "/" of a server that chooses
    http/1.1.  timeout: seconds for each connection.  starttls: in the words of which protocol each connection asks
    for TLS first. Raises nothing for what the server or the network does.
    """
    caller = Caller(place, timeout=timeout, limit=CONNECTION_LIMIT, starttls=starttls)
    survey = Survey(caller)
    try:
        survey.run()
    except (OSError, StartTLSFailed) as error:
        situation = HandshakeFacts(
            config,
            str(place.name),
            address=str(place),
            files=files,
            starttls="" if starttls is None else starttls.name,
        ).situation()
        return Examination(caller, config, survey, unreachable=explain(error, situation))
    if survey.speaks != "TLS":
        return Examination(caller, config, survey)
    looks: list[Attempt] = []
    probed = of_survey(survey)
    try:
        for looking in _lookers(survey, config):
            looks.append(attempt(caller, looking, path, files, probed))
        final = attempt(caller, _as_asked(config, looks), path, files, probed)
    except Spent:
        return Examination(caller, config, survey, tuple(looks))
    return Examination(caller, config, survey, tuple(looks), final)


def _lookers(survey: Survey, config: ClientConfig) -> Iterator[ClientConfig]:
    """Return who looks before our certificate is shown: without one, in each version that both sides speak."""
    for version in config.versions:
        if survey.spoken[VERSIONS[version]] == "spoken":
            yield replace(
                config,
                credentials=None,
                versions=(version,),
                alpn=config.alpn or HTTP,
                post_handshake_auth=True,
                revocation=_with_staples(config.revocation),
            )


def _with_staples(revocation: Revocation | None) -> Revocation:
    """Ask for a staple, whatever is made of it."""
    if revocation is None:
        return Revocation(staples="use", unknown="accept", covers="leaf")
    return revocation if revocation.staples != "ignore" else replace(revocation, staples="use")


def _as_asked(config: ClientConfig, looks: Sequence[Attempt]) -> ClientConfig:
    """Return what was given. HTTP is offered by its name to who is known to choose it, and a certificate after
    the handshake to who was seen to ask for it then."""
    known = any(look.channel is not None and look.channel.alpn in HTTP for look in looks)
    late = any(look.asked_late for look in looks) and all(
        each.key is not None for each in config.settings.identity.own
    )
    return replace(config, alpn=HTTP if known and not config.alpn else config.alpn, post_handshake_auth=late)


# -- files alone -------------------------------------------------------------------------------------------


def examine_files(credentials: Credentials | None, anchors: TrustStore | None, now: datetime) -> Report:
    """Examine what is at hand before anything is connected."""
    sections, found = list[Section](), tuple[Card, ...]()
    if credentials is not None:
        rows = tuple(identity_rows(credentials, anchors, (), now))
        sections.append(Section("identity", "Our certificate", rows))
        found = tuple(cards("client", credentials.chain, now))
    if anchors is not None:
        sections.append(Section("anchors", "Our trust anchors", tuple(_anchor_rows(anchors, now))))
    return Report(
        format="bothways-doctor",
        version=1,
        examined=None,
        at=now.isoformat(timespec="seconds"),
        profile="private",
        outcome="not tried",
        connections=0,
        connection_limit=0,
        server=None,
        handshakes=(),
        certificates=found,
        sections=tuple(sections),
    )


def _anchor_rows(anchors: TrustStore, now: datetime) -> Iterator[Row]:
    """Say of each anchor until when it holds; an expired one vouches for nobody."""
    certificates = anchors.certificates
    for place, each in enumerate(certificates[:ANCHORS_SHOWN], 1):
        anchor = ParsedCertificate(each.public_bytes(Encoding.DER))
        name = shown(anchor.subject_text)
        if now > anchor.not_after:
            text = (
                f"{name} expired on {anchor.not_after:%Y-%m-%d}: it is not valid as a trust anchor any more"
            )
            yield Row(f"anchors.{place}", "problem", "authority", text, "get the new certificate of the CA")
            continue
        left = next(iter(days_rows(f"anchors.{place}", [anchor], now)))
        yield replace(left, subject="authority", text=f"{name}, {left.text}")
    if len(certificates) > ANCHORS_SHOWN:
        yield Row("anchors.more", "note", "authorities", f"and {len(certificates) - ANCHORS_SHOWN} more")
