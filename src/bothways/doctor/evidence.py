"""Evidence from probing connections for the cause of a failure: one hello that offers everything, or a survey."""

from __future__ import annotations

import time
from dataclasses import replace

from bothways.diagnosis import Probed
from bothways.diagnosis.situation import Differs, OwnSide
from bothways.doctor.dial import ConnectionsUsedUp, Dialer, Target
from bothways.doctor.probes import FULL_OFFER, VERSIONS, ProbeOffer
from bothways.doctor.survey import Survey
from bothways.doctor.unanswered import CONNECTIONS, distinguish, in_http, refused_by_alert
from bothways.errors import StartTLSFailed
from bothways.iana import Alert, CipherSuite, FormerGroup, NamedGroup
from bothways.starttls import Protocol

PROBES = 2 + CONNECTIONS
COMPARISONS = 4
PADDING = 1600  # bytes: more than a packet, and than a post-quantum key share adds
GROUP_CODES = {each.name: int(each) for registry in (NamedGroup, FormerGroup) for each in registry}
UNANSWERED_LIMIT = 3  # so many connections wait for their time limit where the server never answers
CONNECTION_SECONDS = 10.0


def probe(
    target: Target, seconds: float, starttls: Protocol | None = None, ours: OwnSide | None = None
) -> Probed | None:
    """Find out what a server chooses if everything is offered; ClientHellos are sent, and no handshake is completed.

    If that is refused, a hello without the server's name, one with suites of pre-shared keys and one with rare suites
    are tried. If it is not answered: whether a connection is closed before anything is sent, a hello after a header
    of the PROXY protocol, one without the server's name, or with some name where we connect by address, lines of
    plain text, a request in plain HTTP, and requests for TLS in protocols whose servers wait for the client; last,
    whether it waits for the end of a hello before it closes. If it is answered in HTTP: what the server sends before
    anything is sent to it, a hello after a header of the PROXY protocol, and a request in plain HTTP.

    target: the server.  seconds: for all connections together.  starttls: the protocol by which TLS is requested
    first.  ours: what our hello offered, to find out what the server refuses in it.
    Returns None where that showed nothing.
    """
    each = min(seconds / UNANSWERED_LIMIT, CONNECTION_SECONDS)
    return probe_by(Dialer(target, timeout=each, limit=PROBES, starttls=starttls, seconds=seconds), ours)


def probe_by(dialer: Dialer, ours: OwnSide | None = None) -> Probed | None:
    """Find out the same by connections of a dialer; see `probe`."""
    started = time.monotonic()
    try:
        reply = dialer.ask(FULL_OFFER, until_key_exchange=True)
        if reply.kind in ("closed", "silence"):
            waited = time.monotonic() - started
            return distinguish(dialer, reply, waited) if dialer.starttls is None else Probed(unanswered=True)
        if reply.kind == "alert":
            old = reply.alert != Alert.PROTOCOL_VERSION
            return replace(refused_by_alert(dialer, reply.alert), allows_old=old)
        if reply.is_http:
            return in_http(dialer)
    except (OSError, StartTLSFailed, ConnectionsUsedUp):
        return None
    if reply.kind != "choice" or reply.version is None:
        return None
    found = Probed((reply.version,), _known(reply.suite), _known(reply.group))
    return found if ours is None else compared(dialer, _in_our_versions(dialer, found, ours), ours)


def _in_our_versions(dialer: Dialer, found: Probed, ours: OwnSide) -> Probed:
    """Find out what a server chooses in our versions, where it chose another: it may have suites of its own there."""
    versions = tuple(each for each in VERSIONS if each in ours.versions)
    if not versions or set(versions) & set(found.versions):
        return found
    try:
        reply = dialer.ask(replace(FULL_OFFER, versions=versions), until_key_exchange=True)
    except (OSError, StartTLSFailed, ConnectionsUsedUp):
        return found
    if reply.kind != "choice" or reply.version is None:
        return found
    return Probed((reply.version, *found.versions), _known(reply.suite), _known(reply.group))


def compared(dialer: Dialer, found: Probed, ours: OwnSide) -> Probed:
    """Find out what a server refuses in our hello, by hellos of which each differs from the last in one thing.

    The first has our versions and suites, and all groups and schemes; then come our schemes, our groups, and padding
    to more than one packet. Returns `found` as it was where the first is not answered, or there is no connection left.
    """
    versions = tuple(each for each in VERSIONS if each in ours.versions)
    if not (versions and ours.suites and ours.groups and ours.schemes):
        return found
    widest = ProbeOffer(versions, ours.suites, FULL_OFFER.groups)
    our_schemes = replace(widest, schemes=ours.schemes)
    our_groups = replace(our_schemes, groups=ours.groups)
    steps: tuple[tuple[Differs, ProbeOffer], ...] = (
        ("schemes", our_schemes),
        ("groups", our_groups),
        ("size", replace(our_groups, padding=PADDING)),
    )
    try:
        if dialer.ask(widest).kind != "choice":
            return found
        refused = (what for what, each in steps if dialer.ask(each).kind != "choice")
        return replace(found, differs=next(refused, "nothing"))
    except (OSError, StartTLSFailed, ConnectionsUsedUp):
        return found


def of_survey(survey: Survey) -> Probed | None:
    """Return what a survey found, as code points; None for a server that answered in another protocol."""
    versions = tuple(code for code, status in survey.spoken.items() if status == "spoken")
    names = (*survey.suites_13.names, *survey.suites_12.names)
    suites = tuple(int(CipherSuite[each]) for each in names)
    groups = tuple(GROUP_CODES[each] for each in survey.groups.names)
    if survey.otherwise is None and not versions and not survey.refused_with:
        return None
    found = survey.otherwise or Probed()
    return replace(
        found,
        versions=versions or found.versions,
        suites=suites or tuple(survey.dated_suites) or found.suites,
        groups=groups,
    )


def _known(code: int | None) -> tuple[int, ...]:
    return () if code is None else (code,)
