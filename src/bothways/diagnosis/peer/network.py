"""Causes of errors of the network: refused, unreachable, no answer, closed; by how far the connection had come."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Mapping

from bothways.describe.messages import listed
from bothways.diagnosis.case import Case, Rule, one
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.diagnosis.near_names import is_address
from bothways.diagnosis.own_side import chain as own_chain
from bothways.diagnosis.own_side import hello as own_hello
from bothways.diagnosis.own_side import issuer as own_issuer
from bothways.diagnosis.own_side import name as own_name
from bothways.diagnosis.own_side import staple as own_staple
from bothways.diagnosis.own_side import strength as own_strength
from bothways.diagnosis.peer import alerts as peer_alerts
from bothways.diagnosis.peer import before_tls, departure, time_limits
from bothways.diagnosis.stacks import Stack
from bothways.errors import PeerFault, Truncated
from bothways.faults import shown
from bothways.roles import Progress, Role

LIKELY, POSSIBLE, CERTAIN = Weight.LIKELY, Weight.POSSIBLE, Weight.CERTAIN
PEERS, BETWEEN, OURS = Party.PEERS, Party.BETWEEN, Party.OURS

OF_A_LIBRARY = "a library reports a failure in words of its own, and no error of the operating system"
NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})
CUTS = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)


def is_cut(error: Exception) -> bool:
    """Whether the peer has ended the connection; a socket of one that was reset at once says that it has none."""
    return isinstance(error, CUTS) or (isinstance(error, OSError) and error.errno == errno.ENOTCONN)


def failed(case: Case, error: OSError) -> Iterator[Likely]:
    """Return the causes of an error of the operating system."""
    match error:
        case ConnectionRefusedError():
            yield case.likely(Cause.NOTHING_LISTENS, PEERS, LIKELY, "the connection was refused at once")
            yield case.likely(
                Cause.REJECTED,
                BETWEEN,
                POSSIBLE,
                "from here it looks the same: a connection from the server itself tells",
            )
        case socket.gaierror():
            yield _no_address(case, error)
        case TimeoutError():
            yield from timed_out(case)
        case _ if time_limits.is_of_handshake(error):
            yield from timed_out(case)
        case _ if is_cut(error):
            yield from ended_without_alert(case)
        case _ if error.errno in NO_WAY:
            yield case.likely(Cause.UNREACHABLE, OURS, LIKELY, error.strerror or "")
            yield case.likely(Cause.REJECTED, BETWEEN, POSSIBLE, "some firewalls answer so")
            yield case.likely(Cause.FILTERED, BETWEEN, POSSIBLE)
        case _ if error.errno is None:
            yield case.likely(
                Cause.OTHER_ERROR,
                OURS,
                failing=OF_A_LIBRARY,
                problem=shown(str(error) or type(error).__name__),
            )
        case _:
            problem = error.strerror or type(error).__name__
            yield case.likely(Cause.LOCAL_FAILURE, OURS, LIKELY, problem=problem)


def _no_address(case: Case, error: socket.gaierror) -> Likely:
    """A name has no address; what names an interface of this machine (RFC 4007 11) is asked of no name server."""
    host = case.own_side.address.rpartition(":")[0].strip("[]")
    address, _, zone = host.partition("%")
    if zone and is_address(address):
        problem = f"it has no network interface {shown(zone)}, which {shown(host)} names"
        return case.likely(Cause.LOCAL_FAILURE, OURS, LIKELY, problem=problem)
    silent = error.errno == socket.EAI_AGAIN
    evidence = "no name server answered, which may have it" if silent else "no name server has it"
    return case.likely(Cause.HOST_UNKNOWN, OURS, LIKELY, evidence)


def _incomplete(case: Case) -> int:
    """Return how many bytes of an incomplete record had been received when time ran out."""
    error = case.error
    received = error.facts.get("received") if isinstance(error, PeerFault) else getattr(error, "received", 0)
    return received if isinstance(received, int) else 0


def timed_out(case: Case) -> Iterator[Likely]:
    """A time limit passed: while connecting, or while waiting for the peer."""
    if not case.observed.sent and case.is_client and not _incomplete(case):
        yield from _nothing_observed(case)
        return
    if (begun := _incomplete(case)) and not case.observed.received:
        evidence = f"{begun} bytes of its first record came, and not the rest"
        yield case.likely(Cause.SLOW, BETWEEN, LIKELY, evidence)
    elif not case.observed.received:
        yield from before_tls.by_probes(case)
        yield from before_tls.by_lines(case)
        yield from _routed_by_name(case)
        yield from _by_port(case)
        word = "it received our hello and sent nothing" if case.is_client else "it connected and sent nothing"
        if case.is_client and case.situation.probed is not None and case.situation.probed.unanswered:
            word += f"; {PROBED_IN_VAIN} were not answered either"
        if case.is_client:
            yield from before_tls.with_a_header(case)
            yield from own_hello.probed(case)
        if case.is_client and not _answered(case) and not _is_known(case):
            yield case.likely(Cause.PEER_SILENT, PEERS, LIKELY, word)
            yield from _perhaps_http(case)
            yield from own_hello.large_hello(case)
        elif not case.is_client:
            waits = f"{word}: so clients do that wait for a greeting of the server"
            yield case.likely(
                Cause.STARTTLS_CLIENT,
                PEERS,
                LIKELY,
                waits,
                protocol="SMTP, IMAP or MySQL",
                wanted="implicit TLS",
            )
            yield case.likely(Cause.PROBE, PEERS, LIKELY, word)
    yield from peer_alerts.second_handshake(case)
    if case.observed.received and "Finished" not in case.observed.received:
        yield from _silent_in_the_middle(case)
        return
    if case.is_client and "Finished" in case.observed.sent and "Finished" in case.observed.received:
        evidence = "the handshake had succeeded, and the connection was not ended"
        yield case.likely(Cause.NO_ANSWER, PEERS, LIKELY, evidence)
        if case.observed.shown and not (case.observed.data or "NewSessionTicket" in case.observed.received):
            evidence = (
                "nothing came after our certificate, not even a session ticket: it may not have arrived"
            )
            lost = {"cut": "lets small packets pass, and drops large ones", "cutting": SMALL_MTU}
            yield case.likely(Cause.CUT, BETWEEN, POSSIBLE, evidence, **lost)
    yield case.likely(Cause.SLOW, BETWEEN)
    yield case.likely(Cause.PEER_STOPPED, PEERS)


def _silent_in_the_middle(case: Case) -> Iterator[Likely]:
    """A part of the handshake had come: there is TLS, and what is missing was not sent, or was lost on the way."""
    evidence = f"of its messages {listed(case.observed.received)} had come, and no more"
    waits = "an OCSP responder" if case.is_client else "its user or its key"
    silence = (
        f"the {case.role.peer} began the handshake and then said nothing: it hangs, is overloaded, "
        f"or waits for something itself, such as {waits}"
    )
    yield case.likely(Cause.PEER_SILENT, PEERS, POSSIBLE, evidence, silence=silence, looking="")
    lost = {
        "cut": "lets the first part of the handshake pass, and drops the rest",
        "cutting": SMALL_MTU,
    }
    yield case.likely(Cause.CUT, BETWEEN, POSSIBLE, evidence, **lost)
    yield case.likely(Cause.SLOW, BETWEEN, POSSIBLE, evidence)


SMALL_MTU = "; tunnels drop large packets, such as those with certificates, where their MTU is too small"


def _nothing_observed(case: Case) -> Iterator[Likely]:
    """A time limit passed, and no connection of ours tells what had been sent."""
    match case.situation.connected:
        case False:
            yield case.likely(Cause.FILTERED, BETWEEN, LIKELY, "nothing came back, not even a refusal")
        case True:
            evidence = "TCP was connected, and the handshake, or what followed it, was not done in time"
            yield case.likely(Cause.PEER_SILENT, PEERS, LIKELY, evidence)
        case None:
            evidence = "the error does not tell whether TCP was connected"
            yield case.likely(Cause.FILTERED, BETWEEN, POSSIBLE, evidence)
            yield case.likely(Cause.PEER_SILENT, PEERS, POSSIBLE, evidence)
    yield case.likely(Cause.SLOW, BETWEEN)


def ended_without_alert(case: Case) -> Iterator[Likely]:
    """The connection ended without an alert: what that means depends on how far it had come."""
    progress = Progress.CHOSEN if _began_to_answer(case) else case.progress
    for rule in CUT_AT[case.role, progress]:
        yield from rule(case)


def _by_port(case: Case) -> Iterator[Likely]:
    if not _answered(case) and not _is_known(case):
        yield from before_tls.by_port(case)


def _began_to_answer(case: Case) -> bool:
    """Whether the peer was cut off in its first record of TLS: it had received our hello and accepted it."""
    return case.is_client and case.progress is Progress.HELLO and _in_record(case)


def _in_record(case: Case) -> bool:
    return isinstance(case.error, Truncated) and case.error.in_record


def _answered(case: Case) -> bool:
    """Whether a probe was answered in TLS, so that the server uses TLS and accepts connections from us."""
    return case.situation.probed is not None and bool(case.situation.probed.versions)


def _is_known(case: Case) -> bool:
    """Whether probes found what the server expects before TLS."""
    found = case.situation.probed
    if found is None:
        return False
    known = found.after_proxy_header or found.without_name or found.closes_at_once or found.reads_hello
    known = known or found.speaks_unasked or before_tls.is_plain_http(found)
    return known or bool(found.starttls or found.differs_by_name or found.answer)


def _routed_by_name(case: Case) -> Iterator[Likely]:
    found, name = case.situation.probed, case.own_side.server_name
    if found is not None and found.without_name and name is not None:
        evidence = "a hello without a server name was answered, and one with it was not"
        yield case.likely(Cause.NAME_ROUTED, BETWEEN, LIKELY, evidence, name=name)
    if found is not None and found.differs_by_name and name is not None:
        evidence = "a hello with a server name was answered, and one without was not"
        yield case.likely(Cause.NO_NAME_SENT, OURS, LIKELY, evidence, name=name)


def _reads_hello(case: Case) -> Iterator[Likely]:
    """It has read the hello to its end, so that it speaks TLS, or forwards what does."""
    if case.situation.probed is None or not case.situation.probed.reads_hello:
        return
    evidence = (
        "it waits for the last byte of a hello and then closes, as routers by server name do that have no route, or "
        "reach no server; a TLS server that fails cannot be told from that: its log tells"
    )
    name = case.own_side.server_name
    if is_address(name):
        yield case.likely(Cause.NO_NAME_SENT, OURS, LIKELY, evidence, name=name)
    elif name is not None:
        yield case.likely(Cause.NAME_ROUTED, BETWEEN, LIKELY, evidence, name=name)
    yield case.likely(Cause.BACKEND_DOWN, PEERS, LIKELY, evidence)


def _closed_at_once(case: Case) -> Iterator[Likely]:
    """It closes before it has received anything: neither the protocol nor the name is the reason."""
    if case.situation.probed is not None and case.situation.probed.closes_at_once:
        evidence = "it closes a connection on which nothing was sent"
        yield case.likely(
            Cause.BACKEND_DOWN, PEERS, LIKELY, f"{evidence}, as load balancers without a server do"
        )
        yield case.likely(
            Cause.LETS_NOT_IN, PEERS, LIKELY, f"{evidence}; from an allowed address it would not"
        )
        yield case.likely(Cause.SERVICE_BUSY, PEERS, POSSIBLE, f"{evidence}, as those do that are full")
        yield case.likely(
            Cause.PROXY_HEADER,
            PEERS,
            POSSIBLE,
            f"{evidence}, as a TLS server does that gets such a header from another",
        )


PROBED_IN_VAIN = "smaller hellos, one behind a PROXY header, and requests of other protocols"


def _before_tls(case: Case) -> Iterator[Likely]:
    """Services without TLS, and what stands in front of a server: all close for a hello, and nothing tells which.

    A port at which TLS is usual, or a hello that was read to its end, speaks against the first. One that does not wait
    for the end of a hello does not speak TLS.
    """
    if _answered(case) or _is_known(case):
        return
    name, probed = case.own_side.server_name, case.situation.probed
    evidence = "it closed the connection after our hello, and sent nothing in TLS"
    if probed is not None and probed.unanswered:
        evidence += f"; {PROBED_IN_VAIN} were not answered either"
    if probed is not None and probed.closes_early:
        evidence += "; and it closes before it has received a whole hello"
        plain = case.likely(Cause.SPEAKS_PLAIN, PEERS, LIKELY, evidence)
    else:
        evidence += (
            "; from here a service without TLS, a router and a load balancer look the same: its log tells"
        )
        plain = case.likely(Cause.SPEAKS_PLAIN, PEERS, POSSIBLE, evidence)
    usual = before_tls.is_port_of_tls(case)
    if not usual:
        yield plain
        if probed is None:  # otherwise it was asked in those protocols
            yield from before_tls.without_greeting(case)
        yield from _perhaps_http(case)
    yield case.likely(Cause.BACKEND_DOWN, PEERS, POSSIBLE, evidence)
    if name is not None and not is_address(name):
        yield case.likely(Cause.NAME_ROUTED, BETWEEN, POSSIBLE, evidence, name=name)
    elif name is not None:
        yield case.likely(Cause.NO_NAME_SENT, OURS, POSSIBLE, evidence, name=name)
    if probed is None:  # otherwise a hello after such a header was not answered either
        yield case.likely(Cause.WANTS_PROXY_HEADER, PEERS, POSSIBLE, evidence)
    yield from peer_alerts.lets_not_in(case)
    yield case.likely(Cause.SERVICE_BUSY, PEERS, POSSIBLE)
    if usual:
        yield plain
    if probed is None:
        yield case.likely(Cause.PROXY_HEADER, PEERS, POSSIBLE)


def _perhaps_http(case: Case) -> Iterator[Likely]:
    """What is asked for HTTPS may be HTTP: some servers close for a hello, or wait for the end of a request."""
    if case.situation.probed is None and {b"http/1.1", b"h2"} & set(case.own_side.protocols):
        yield case.likely(Cause.SPEAKS_HTTP, PEERS, POSSIBLE)


def no_protocol_chosen(case: Case) -> Iterator[Likely]:
    """Servers of gRPC, or of HTTP/2 only, close a connection for which no protocol was agreed by ALPN."""
    if not case.is_client or case.observed.data or case.observed.protocol is not None:
        return
    if b"h2" in case.own_side.protocols or not before_tls.may_speak_http2(case):
        return  # it would have chosen h2
    detail = "we offer none, and then servers of gRPC and HTTP/2 close the connection"
    if case.own_side.protocols:
        offered = listed([each.decode("ascii", "replace") for each in case.own_side.protocols])
        detail = f"it chose none of what we offer ({offered}), and then servers of gRPC and HTTP/2 close the connection"
    # gRPC uses BoringSSL; and a server that requests no certificate does not close for lack of one. A proxy that
    # reaches no server has sent its session tickets by then.
    is_early = bool(case.own_side.own) or case.progress is Progress.JUDGED
    told = case.stack is Stack.BORINGSSL or (case.request is None and is_early)
    evidence = "it closed right after the handshake, for which it needed nothing more from us" if told else ""
    weight = LIKELY if told else POSSIBLE
    yield case.likely(Cause.NO_SHARED_PROTOCOL, OURS, weight, evidence, detail=detail, offer="h2")


def _closed_after_certificate(case: Case) -> Iterator[Likely]:
    """We sent a certificate, and the peer closed the connection without saying why."""
    if case.chain and not case.observed.data:
        yield case.likely(Cause.NOT_ACCEPTED, OURS, POSSIBLE)


def _service_closed(case: Case) -> Iterator[Likely]:
    """The handshake is complete, and the service closed the connection before it sent anything."""
    if case.chain and not case.observed.data:
        for rule in (
            own_issuer.unnamed_issuer, own_chain.flawed, own_chain.anchor_expired, own_strength.below_strict_levels,
            own_chain.not_authorized,
            own_issuer.issuer, *UNSAID,
        ):  # fmt: skip
            yield from rule(case)


def _no_server_behind_proxy(case: Case) -> Iterator[Likely]:
    """It closed before it sent anything, as a proxy does that cannot reach any of its servers.

    A service that was asked for TLS by its own protocol has answered; and one that got our certificate may refuse us.
    """
    if not case.own_side.starttls and case.is_client and not case.observed.data and not _in_record(case):
        evidence = "TLS was complete, and it ended the connection without a word and without close_notify"
        if case.observed.closed and not case.observed.said:
            evidence += (
                "; we had sent close_notify and nothing else: on a connection that stays open (an input that does not "
                "end) a service that is there waits for us"
            )
        yield case.likely(Cause.BACKEND_DOWN, PEERS, own_chain.silent_weight(case), evidence)


def _ended_after_us(case: Case) -> Iterator[Likely]:
    """We closed first; what is missing is the answer to our close_notify (RFC 9846 6.1), and perhaps data."""
    if case.observed.closed and case.observed.data and isinstance(case.error, Truncated):
        evidence = "we had sent close_notify before; what it said may be whole by its own protocol"
        detail = "it ends connections without close_notify (RFC 9846 6.1)"
        yield case.likely(Cause.PEER_BREAKS_RULES, PEERS, POSSIBLE, evidence, detail=detail)
    if case.observed.closed and not case.observed.said and not case.observed.data:
        evidence = "we sent close_notify, and nothing else, before it ended the connection"
        detail = "it ends connections without close_notify (RFC 9846 6.1)"
        weight = LIKELY if case.own_side.starttls else POSSIBLE  # otherwise nobody may be behind it
        yield case.likely(Cause.PEER_BREAKS_RULES, PEERS, weight, evidence, detail=detail)


def _client_left(case: Case) -> Iterator[Likely]:
    """A client that closes after its handshake: Python, wget and Node verify our certificate only then."""
    if case.is_client or case.observed.data or not case.chain:
        return
    yield from departure.nothing_agreed(case)
    yield from not_taken(case)
    yield departure.unpinned(case)


def not_taken(case: Case) -> Iterator[Likely]:
    """What a client may have against our certificate that ends after it, and does not say why."""
    for rule in (
        own_chain.flawed, own_staple.required, own_staple.wanted, own_chain.anchor_expired,
        own_strength.below_strict_levels, own_issuer.issuer, own_name.wrong_name, own_chain.clock,
        own_chain.revoked_for_gnutls, own_staple.perhaps_wanted,
    ):  # fmt: skip
        yield from rule(case)


def _closed_while_judging(case: Case) -> Iterator[Likely]:
    if not case.is_client and case.chain:
        yield case.likely(
            Cause.GAVE_UP,
            PEERS,
            POSSIBLE,
            "it closed in place of an answer to our certificate, and sent no alert",
        )


def _by_protocol(case: Case) -> Iterator[Likely]:
    yield from (each for each in no_protocol_chosen(case) if each.weight is LIKELY)


UNSAID: tuple[Rule, ...] = (
    own_chain.not_authorized, own_chain.clock_of_new, own_chain.perhaps_revoked, own_chain.clock, own_chain.status,
)  # fmt: skip
probe = one(Cause.PROBE, PEERS, LIKELY)
network = one(Cause.CUT, BETWEEN)

CUT_AT: Mapping[tuple[Role, Progress], tuple[Rule, ...]] = {
    (Role.CLIENT, Progress.HELLO): (
        before_tls.with_a_header, _closed_at_once, _reads_hello, _routed_by_name, before_tls.by_probes,
        before_tls.by_lines,
        own_hello.probed, _by_port, _before_tls,
        peer_alerts.lets_not_in, own_hello.left_out, own_hello.versions,
        own_hello.name, own_hello.large_hello, peer_alerts.stopped,
    ),
    (Role.CLIENT, Progress.CHOSEN): (peer_alerts.stopped, peer_alerts.device, network),
    (Role.CLIENT, Progress.JUDGED): (
        own_chain.absent, own_chain.flawed, own_strength.below_strict_levels, own_chain.anchor_expired,
        own_issuer.partial_chain, _by_protocol, own_issuer.issuer,
        *UNSAID, _closed_after_certificate, own_chain.certificate_not_requested, peer_alerts.second_handshake,
        no_protocol_chosen, _no_server_behind_proxy, peer_alerts.stopped, network,
    ),
    (Role.CLIENT, Progress.ACCEPTED): (
        peer_alerts.second_handshake, _service_closed, _no_server_behind_proxy, peer_alerts.stopped,
        no_protocol_chosen, _ended_after_us, network,
    ),
    (Role.SERVER, Progress.HELLO): (probe, peer_alerts.gave_up, network),
    (Role.SERVER, Progress.JUDGED): (
        not_taken, _closed_while_judging, peer_alerts.gave_up, network,
    ),
    (Role.SERVER, Progress.ACCEPTED): (
        peer_alerts.second_handshake, _client_left, peer_alerts.gave_up, peer_alerts.stopped, network,
    ),
    (Role.SERVER, Progress.CHOSEN): (peer_alerts.gave_up, network),
}  # fmt: skip
