"""The whole examination: which questions in which order, how many connections that takes, and the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography.hazmat.primitives.serialization import Encoding

from bothways.diagnosis import Explanation, Files, HandshakeFacts, Probed, explain
from bothways.diagnosis.situation import UNNAMED, OwnSide
from bothways.doctor.attempts import HandshakeAttempt, attempt, parts_of
from bothways.doctor.chain import cards, certificate_rows, days_rows, shown
from bothways.doctor.dial import ConnectionsUsedUp, Dialer, Target
from bothways.doctor.evidence import COMPARISONS, of_survey, probe_by
from bothways.doctor.findings import (
    handshake_rows,
    outcome_rows,
    request_rows,
    server_rows,
    unreachable_rows,
)
from bothways.doctor.identity import RequestFacts, identity_rows
from bothways.doctor.report import Report, ReportRow, Section
from bothways.doctor.survey import PLAN, Survey
from bothways.errors import StartTLSFailed
from bothways.ladder.model import Card
from bothways.roles import Version
from bothways.starttls import Protocol
from bothways.tls.config import ClientConfig
from bothways.tls.handshake.settings import VERSIONS
from bothways.tls.wire import tls12
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.own_identity.credentials import Credentials
from bothways.trust.revocation import Revocation

FULL_PLAN = {**PLAN, "what it refuses in our hello": COMPARISONS, "whole handshakes": len(VERSIONS) + 1}
CONNECTION_LIMIT = sum(FULL_PLAN.values())
HTTP = ("http/1.1",)
ANCHORS_SHOWN = 20
SILENCE_SECONDS = 4.5  # HAProxy tries three times more to reach a server, each time after a second


@dataclass(frozen=True)
class Examination:
    """What was found about one server: by hellos, by handshakes without a certificate, and by a last handshake.

    `final` is the handshake with everything that was given; None where the server could not be reached. `unreachable`
    is why nothing was found.
    """

    dialer: Dialer
    config: ClientConfig
    survey: Survey
    first_attempts: tuple[HandshakeAttempt, ...] = ()
    final: HandshakeAttempt | None = None
    unreachable: Explanation | None = None

    def report(self) -> Report:
        """Return the report: values and findings."""
        reached = self.unreachable is None
        return Report(
            format="bothways-doctor",
            version=1,
            examined=str(self.dialer.target),
            at=self._now.isoformat(timespec="seconds"),
            profile=self.config.anchors.profile,
            outcome="succeeded" if self.final is not None and self.final.succeeded else "failed",
            connections=self.dialer.connections,
            connection_limit=self.dialer.limit,
            server=self.survey.server() if reached else None,
            handshakes=tuple(each.facts() for each in self._attempts),
            certificates=tuple(self._cards()),
            sections=tuple(Section(*each) for each in self._sections() if each[2]),
        )

    @property
    def _now(self) -> datetime:
        return self.config.clock.now()

    @property
    def _attempts(self) -> tuple[HandshakeAttempt, ...]:
        return self.first_attempts if self.final is None else (*self.first_attempts, self.final)

    @property
    def _with_certificate(self) -> HandshakeAttempt | None:
        """The last handshake in which the server sent its certificate."""
        return next((each for each in reversed(self._attempts) if each.chain), None)

    def _sections(self) -> Iterator[tuple[str, str, tuple[ReportRow, ...]]]:
        config, seen, now = self.config, self._with_certificate, self._now
        if self.unreachable is not None:
            yield "server", "What it supports", tuple(unreachable_rows(self.unreachable))
        else:
            server, first_attempts = self.survey.server(), [each.facts() for each in self.first_attempts]
            every = [each.facts() for each in self._attempts]
            why = self.final.explanation if self.final is not None else None
            yield "server", "What it supports", tuple(server_rows(server, why))
            yield "handshake", "What a handshake shows", tuple(handshake_rows(server, every))
            yield "request", "Whether it asks for a client certificate", tuple(request_rows(first_attempts))
        if seen is not None:
            rows = certificate_rows(seen.chain, seen.verdict, config.anchors, now)
            yield "certificate", "Its certificate", tuple(rows)
        own = config.settings.identity.own
        if own:
            rows = identity_rows(own[0], config.anchors, tuple(self._requested_certificates()), now)
            yield "identity", "Our certificate", tuple(rows)
        if self.final is not None:
            rows = outcome_rows(
                self.final.facts(),
                self.final.explanation,
                self.final.answer,
                refused=self.final.error is None and not self.final.succeeded,
            )
            yield "outcome", "The handshake with all that was given", tuple(rows)

    def _requested_certificates(self) -> Iterator[RequestFacts]:
        """The server's requests for our certificate, one for each version."""
        known = set()
        for each in self._attempts:
            request = each.request
            if request is not None and type(request) not in known:
                known.add(type(request))
                authorities, schemes, types = parts_of(request)
                is_12 = isinstance(request, tls12.CertificateRequest)
                version = Version.TLS12 if is_12 else Version.TLS13
                yield RequestFacts(authorities, schemes, types if is_12 else None, version)

    def _cards(self) -> Iterator[Card]:
        if self._with_certificate is not None:
            yield from cards("server", self._with_certificate.chain, self._now)
        own = self.config.settings.identity.own
        if own:
            yield from cards("client", own[0].chain, self._now)


def examine(
    target: Target,
    config: ClientConfig,
    *,
    files: Files = UNNAMED,
    path: str | None = None,
    timeout: float = 10.0,
    starttls: Protocol | None = None,
    patience: float = SILENCE_SECONDS,
) -> Examination:
    """Examine one server as a client with this configuration would, by at most `CONNECTION_LIMIT` connections.

    target: the server.  config: of the client.  files: the names of our files, for causes.  path: what to request over
    HTTP; None: "/" of a server that chooses http/1.1.  timeout: seconds for each connection.  starttls: the protocol
    by which each connection requests TLS first.  patience: the seconds to wait after the last handshake for a service
    that is asked nothing: a load balancer closes only after it has tried in vain to reach one.
    Raises nothing for what the server or the network does.
    """
    dialer = Dialer(target, timeout=timeout, limit=CONNECTION_LIMIT, starttls=starttls)
    survey = Survey(dialer)
    try:
        survey.run()
    except (OSError, StartTLSFailed) as error:
        situation = HandshakeFacts(
            config,
            str(target.name),
            address=str(target),
            files=files,
            starttls="" if starttls is None else starttls.name,
        ).situation()
        situation = replace(situation, probed=_without_starttls(dialer, error, situation.own_side))
        return Examination(dialer, config, survey, unreachable=explain(error, situation))
    first_attempts: list[HandshakeAttempt] = []
    probed = of_survey(survey)
    try:
        for first_config in _first_configs(survey, config):
            first_attempts.append(attempt(dialer, first_config, path, files, probed))
        final = attempt(dialer, _final_config(config, first_attempts), path, files, probed, patience)
    except ConnectionsUsedUp:
        return Examination(dialer, config, survey, tuple(first_attempts))
    return Examination(dialer, config, survey, tuple(first_attempts), final)


def _without_starttls(dialer: Dialer, error: Exception, ours: OwnSide) -> Probed | None:
    """Probe a service that did not start TLS when it was asked to: it may speak TLS at once, or another protocol."""
    if not isinstance(error, StartTLSFailed):
        return None
    dialer.starttls = None
    return probe_by(dialer, ours)


def _first_configs(survey: Survey, config: ClientConfig) -> Iterator[ClientConfig]:
    """Return the configurations of the first handshakes: without a certificate, one for each common version."""
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
    """Return the policy, but requesting a staple."""
    if revocation is None:
        return Revocation(staples="use", unknown="accept", covers="leaf")
    return revocation if revocation.staples != "ignore" else replace(revocation, staples="use")


def _final_config(config: ClientConfig, first_attempts: Sequence[HandshakeAttempt]) -> ClientConfig:
    """Return the configuration of the last handshake.

    HTTP is offered to a server that chose it before, and authentication after the handshake to one that requested it.
    """
    known = any(each.channel is not None and each.channel.alpn in HTTP for each in first_attempts)
    after_handshake = any(each.asked_after_handshake for each in first_attempts) and all(
        each.key is not None for each in config.settings.identity.own
    )
    return replace(
        config, alpn=HTTP if known and not config.alpn else config.alpn, post_handshake_auth=after_handshake
    )


# -- files only --------------------------------------------------------------------------------------------


def examine_files(credentials: Credentials | None, anchors: TrustStore | None, now: datetime) -> Report:
    """Examine our certificate and trust anchors without a connection."""
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


def _anchor_rows(anchors: TrustStore, now: datetime) -> Iterator[ReportRow]:
    """Return until when each trust anchor is valid; an expired one verifies nothing."""
    certificates = anchors.certificates
    for target, each in enumerate(certificates[:ANCHORS_SHOWN], 1):
        anchor = ParsedCertificate(each.public_bytes(Encoding.DER))
        name = shown(anchor.subject_text)
        if now > anchor.not_after:
            text = (
                f"{name} expired on {anchor.not_after:%Y-%m-%d}: it is not valid as a trust anchor any more"
            )
            yield ReportRow(
                f"anchors.{target}", "problem", "authority", text, "get the new certificate of the CA"
            )
            continue
        remaining = next(iter(days_rows(f"anchors.{target}", [anchor], now)))
        yield replace(remaining, subject="authority", text=f"{name}, {remaining.text}")
    if len(certificates) > ANCHORS_SHOWN:
        yield ReportRow(
            "anchors.more", "note", "authorities", f"and {len(certificates) - ANCHORS_SHOWN} more"
        )
