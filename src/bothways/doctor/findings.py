"""Findings for people, from what a server showed: what is good, what is not, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bothways.counts import counted
from bothways.describe.escape import visible
from bothways.diagnosis import Explanation, Weight
from bothways.doctor.report import HandshakeReport, Level, ReportRow, RequestedCertificate, ServerBehaviour

CAUSES = {Weight.CERTAIN: "cause", Weight.LIKELY: "likely cause", Weight.POSSIBLE: "possible cause"}
SKEW_SECONDS = 120.0
HYBRIDS = "MLKEM"
SHOWN = 8
DATED: dict[str, tuple[Level, str]] = {
    "finite-field DHE": ("note", "RFC 9325 4.2 recommends only suites with ECDHE"),
    "CBC": ("warning", "open to padding oracles unless implemented with care (RFC 7366, Lucky 13)"),
    "RSA key transport": ("warning", "no forward secrecy (RFC 9325 4.1)"),
    "3DES": ("problem", "blocks of 64 bits (Sweet32)"),
    "RC4": ("problem", "broken, and forbidden by RFC 7465"),
    "no protection": ("problem", "no encryption, no authentication, or keys that can be broken"),
}
OLD = ("TLS 1.1", "TLS 1.0", "SSL 3")
WANTS_CERTIFICATE = (400, 401, 403, 495, 496)


def server_rows(server: ServerBehaviour, why: Explanation | None = None) -> Iterator[ReportRow]:
    """Return what a server supports and chooses.

    why: the explanation of the handshake that failed, for a server that does not speak TLS.
    """
    yield ReportRow("server.reached", "good", "reached", f"{server.address} in {server.milliseconds:g} ms")
    if server.speaks != "TLS":
        yield _no_tls(server, why)
        return
    if server.through:
        yield ReportRow(
            "server.through", "note", "asked through", f"{server.through}, which changes to TLS on request"
        )
    yield from _versions(server)
    yield from _suites(server)
    if server.groups.names:
        yield ReportRow(
            "server.groups", "good", "groups", _listed(server.groups.names, server.groups.complete)
        )
        yield _hybrid(server.groups.names)
    if server.cut_short:
        text = visible(server.cut_short)
        yield ReportRow("server.cut_short", "warning", "not all asked", text, "try again later")


def _suites(server: ServerBehaviour) -> Iterator[ReportRow]:
    for id_, subject, choices in (
        ("server.suites13", "suites of TLS 1.3", server.suites_13),
        ("server.suites12", "suites of TLS 1.2", server.suites_12),
    ):
        if choices.names:
            yield ReportRow(id_, "good", subject, _listed(choices.names, choices.complete))
        elif choices.complete:
            text = "none with ECDHE and AES-GCM, CCM or ChaCha20-Poly1305"
            yield ReportRow(id_, "problem", subject, text, "allow them on the server (RFC 9325 4.2)")
    for what in server.dated:
        level, advice = DATED[what]
        text = f"it still answers to {what}: {advice}"
        yield ReportRow(f"server.dated.{_id(what)}", level, "outdated suites", text, "turn them off")


def _no_tls(server: ServerBehaviour, why: Explanation | None) -> ReportRow:
    """What it speaks instead; what to do about it stands with the causes of the failed handshake."""
    if server.speaks == "nothing":
        text = "it accepts connections and does not answer a ClientHello, or closes them"
    else:
        description = f': "{server.start}"' if server.start else ""
        text = f"{'' if server.speaks.startswith('TLS') else 'no TLS; '}it uses {server.speaks}{description}"
    cause = "" if why is None else why.first.cause.name
    return ReportRow("server.tls", "problem", "speaks", text, cause=cause)


def _refused_every_hello(server: ServerBehaviour) -> ReportRow:
    text = f"it refuses every ClientHello with alert {server.refused_with}, so its versions are not known"
    hint = "it may serve other names than this one: --name NAME; its log has the reason"
    return ReportRow("server.versions", "unknown", "versions", text, hint)


def _versions(server: ServerBehaviour) -> Iterator[ReportRow]:
    if server.refused_with:
        yield _refused_every_hello(server)
        return
    spoken = [each.name for each in server.versions if each.standing == "spoken"]
    good = [name for name in spoken if name not in OLD]
    old = [name for name in spoken if name in OLD]
    level: Level = "good" if good else "problem"
    hint = "" if good else "enable TLS 1.3 or 1.2 on the server; older versions are not secure (RFC 8996)"
    yield ReportRow(
        "server.versions", level, "versions", ", ".join(good) or "neither TLS 1.3 nor TLS 1.2", hint
    )
    if good == ["TLS 1.2"]:
        yield ReportRow(
            "server.no13", "note", "TLS 1.3", "not supported", "enable it on the server too (RFC 9325 3.1.1)"
        )
    if old:
        text = f"{', '.join(old)} {'is' if len(old) == 1 else 'are'} still answered"
        yield ReportRow("server.old", "warning", "old versions", text, "turn them off (RFC 8996)")
    unknown = [each.name for each in server.versions if each.standing == "not known"]
    if unknown:
        yield ReportRow("server.unknown", "unknown", "not known", f"whether it speaks {', '.join(unknown)}")


def _hybrid(groups: Sequence[str]) -> ReportRow:
    hybrids = [name for name in groups if HYBRIDS in name]
    if hybrids:
        return ReportRow(
            "server.hybrid", "good", "post-quantum", f"{hybrids[0]}: recorded connections stay confidential"
        )
    text = "no hybrid group: a future quantum computer can decrypt recorded connections"
    return ReportRow(
        "server.hybrid", "note", "post-quantum", text, "enable X25519MLKEM768 on the server (RFC 10024)"
    )


def handshake_rows(server: ServerBehaviour, handshakes: Sequence[HandshakeReport]) -> Iterator[ReportRow]:
    """Return what only a full handshake shows, by the first one of each version."""
    finished = [each for each in handshakes if each.version is not None]
    if not finished:
        return
    for each in {each.version: each for each in reversed(finished)}.values():
        parts = (each.version, each.suite, each.group, f"signed by {each.scheme}" if each.scheme else None)
        yield ReportRow(
            f"handshake.{_id(each.version or '')}", "note", "agreed", ", ".join(filter(None, parts))
        )
    protocol = next((each.protocol for each in finished if each.protocol), None)
    yield ReportRow(
        "handshake.alpn", "note", "ALPN", f"it chooses {protocol}" if protocol else "it chooses no protocol"
    )
    yield from _resumption(server, finished)
    if any(each.staple for each in handshakes):
        yield ReportRow("handshake.staple", "good", "OCSP staple", "it staples an OCSP response")
    else:
        yield ReportRow("handshake.staple", "note", "OCSP staple", "none was sent, although it was requested")
    skew = next((each.reply.skew for each in handshakes if each.reply and each.reply.skew is not None), None)
    if skew is not None:
        yield _clock(skew)


def _resumption(server: ServerBehaviour, handshakes: Sequence[HandshakeReport]) -> Iterator[ReportRow]:
    kinds = []
    tickets = max((each.tickets for each in handshakes if each.version == "TLS 1.3"), default=0)
    if tickets:
        kinds.append(f"{counted(tickets, 'ticket')} in TLS 1.3")
    if server.tickets_12:
        kinds.append("a ticket in TLS 1.2")
    if server.session_ids:
        kinds.append("a session ID in TLS 1.2")
    yield ReportRow(
        "handshake.resumption",
        "note",
        "resumption",
        f"it offers {', '.join(kinds)}" if kinds else "none was offered",
    )


def _span(seconds: float) -> str:
    """Return a length of time in the unit in which people think of it."""
    for size, unit in ((365 * 86400, "years"), (86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _clock(skew: float) -> ReportRow:
    if abs(skew) <= SKEW_SECONDS:
        return ReportRow("handshake.clock", "good", "clock", "its clock and ours agree within two minutes")
    ahead = "ahead of" if skew > 0 else "behind"
    text = f"its clock is {_span(abs(skew))} {ahead} ours"
    return ReportRow(
        "handshake.clock",
        "warning",
        "clock",
        text,
        "correct the clock that is wrong: certificates have validity periods",
    )


def request_rows(attempts: Sequence[HandshakeReport]) -> Iterator[ReportRow]:
    """Return whether, when and how the server requests a client certificate, and which it accepts."""
    requesting = [attempt for attempt in attempts if attempt.request is not None]
    in_handshake = [
        attempt for attempt in requesting if attempt.request and attempt.request.when == "in the handshake"
    ]
    if in_handshake:
        yield _required(in_handshake)
    elif requesting:
        yield _after_renegotiation(requesting[0])
    elif any(attempt.version for attempt in attempts):
        yield _not_asked(attempts)
    elif attempts:
        yield ReportRow(
            "request.when", "unknown", "asks for a certificate", "no handshake got far enough to find out"
        )
    found = [each.request for each in in_handshake or requesting]
    requests = [each for each in found if each and each.schemes]
    if requests:
        yield from _accepted(requests)


def _not_asked(attempts: Sequence[HandshakeReport]) -> ReportRow:
    reply = _refusing_reply(attempts)
    if reply:
        text = f'not in the handshake; but without one it answers "{reply}"'
        hint = "it may request one on other paths, or other credentials than a certificate: --http PATH"
        return ReportRow("request.when", "note", "asks for a certificate", text, hint)
    return ReportRow("request.when", "note", "asks for a certificate", "no")


def _after_renegotiation(attempt: HandshakeReport) -> ReportRow:
    reply = f', and without one it answers "{attempt.reply.line}"' if attempt.reply is not None else ""
    if attempt.version == "TLS 1.2":
        text = f"after the handshake of TLS 1.2: it requests renegotiation (HelloRequest){reply}"
        hint = (
            "renegotiation does not exist in TLS 1.3 and is refused "
            "here: have the server request it in the handshake"
        )
        return ReportRow("request.when", "warning", "asks for a certificate", text, hint)
    text = f"after the handshake of TLS 1.3, by a request for post-handshake authentication{reply}"
    hint = (
        "few clients support that, and none over HTTP/2: have the server "
        "request it in the handshake, under a separate server name"
    )
    return ReportRow("request.when", "note", "asks for a certificate", text, hint)


def _required(attempts: Sequence[HandshakeReport]) -> ReportRow:
    versions = " and ".join(dict.fromkeys(attempt.version or attempt.offered[0] for attempt in attempts))
    reply = _refusing_reply(attempts)
    verified = [attempt for attempt in attempts if not _refused_server(attempt)]
    if any(attempt.outcome == "failed" for attempt in verified):
        text = f"in the handshake of {versions}, and without one it refuses the handshake: required"
    elif reply:
        text = f'in the handshake of {versions}, and continues without one; but then it answers "{reply}"'
        hint = "it requires one for some requests: send your certificate"
        return ReportRow("request.when", "note", "asks for a certificate", text, hint)
    elif verified:
        text = f"in the handshake of {versions}, and continues without one: optional"
    else:
        text = f"in the handshake of {versions}; whether it continues without one is not known"
    return ReportRow("request.when", "note", "asks for a certificate", text)


def _refused_server(attempt: HandshakeReport) -> bool:
    return attempt.failure is not None and attempt.failure.get("kind") == "PeerFault"


def _refusing_reply(attempts: Sequence[HandshakeReport]) -> str:
    replies = (attempt.reply for attempt in attempts if attempt.reply is not None)
    return next((reply.line for reply in replies if reply.status in WANTS_CERTIFICATE), "")


def _accepted(requests: Sequence[RequestedCertificate]) -> Iterator[ReportRow]:
    """Return what the first request accepts; certificate types are part of TLS 1.2 only."""
    first = requests[0]
    if first.authorities:
        more = first.more_authorities + max(0, len(first.authorities) - SHOWN)
        text = "; ".join(first.authorities[:SHOWN]) + (f"; and {more} more" if more else "")
        yield ReportRow("request.authorities", "note", "issued under", text)
    else:
        yield ReportRow(
            "request.authorities", "note", "issued under", "it names no CAs, so any CA may be accepted"
        )
    yield ReportRow("request.schemes", "note", "signed by", _listed(first.schemes, complete=True))
    types = next((each.types for each in requests if each.types), ())
    if types:
        yield ReportRow("request.types", "note", "of types", ", ".join(types))


def unreachable_rows(explanation: Explanation) -> Iterator[ReportRow]:
    """Return why there is nothing to examine."""
    yield ReportRow("server.reached", "problem", "not reached", explanation.happened)
    yield from cause_rows(explanation, "server")


def cause_rows(explanation: Explanation, prefix: str, first: Level = "problem") -> Iterator[ReportRow]:
    """Return the possible causes of a failure, the most likely first; a certain one is the only one."""
    for place, each in enumerate(explanation.shown_causes, 1):
        text = f"{each.text}: {each.evidence}" if each.evidence else each.text
        level: Level = first if place == 1 else "note"
        id_, word = f"{prefix}.cause.{place}", CAUSES[each.weight]
        yield ReportRow(id_, level, word, text, each.remedy, each.command, each.cause.name)


def outcome_rows(
    final: HandshakeReport,
    explanation: Explanation | None,
    answer: Explanation | None = None,
    *,
    refused: bool = False,
) -> Iterator[ReportRow]:
    """Return the result of the handshake with everything that was given.

    explanation: of its failure.  answer: of what a service sent over the connection, or that it closed without a word.
    refused: whether it refused us by that.
    """
    if final.outcome == "succeeded":
        parts = ", ".join(filter(None, (final.version, final.suite, final.group)))
        yield ReportRow("outcome", "good", "TLS succeeded" if refused else "succeeded", parts)
        yield _own_certificate(final, refused)
    elif final.failure is not None:
        step = final.failure.get("step")
        subject = f"failed at step {step}" if step else "failed"
        yield ReportRow("outcome", "problem", subject, _first_line(str(final.failure["text"])))
        if explanation is not None:
            yield from cause_rows(explanation, "outcome")
    if final.reply is not None:
        status = final.reply.status
        level: Level = "problem" if refused else "good" if status is not None and status < 400 else "warning"
        subject = "the service" if status is None else "over HTTP"
        yield ReportRow("outcome.reply", level, subject, f'it answers "{final.reply.line}"')
        if answer is not None:
            yield from cause_rows(answer, "outcome.reply", "problem" if refused else "warning")
    elif answer is not None:
        yield ReportRow(
            "outcome.closed", "problem", "the service", "it closed the connection before anything was asked"
        )
        yield from cause_rows(answer, "outcome.closed")
    elif final.outcome == "succeeded":
        text = (
            "it said nothing while we waited, and was asked nothing, so that this does not show whether one is there: "
            "--http PATH asks a service of HTTP"
        )
        yield ReportRow("outcome.unasked", "unknown", "the service", text)
    for place, warning in enumerate(final.warnings):
        yield ReportRow(f"outcome.warning.{place + 1}", "warning", "mind", warning)


def _own_certificate(final: HandshakeReport, refused: bool) -> ReportRow:
    if not final.sent_certificate:
        text = "the server requested it, and we sent none" if final.request else "not requested"
        return ReportRow("outcome.certificate", "note", "our certificate", text)
    if refused:
        text = "sent, with proof of its key; the service refused us nevertheless"
        return ReportRow("outcome.certificate", "unknown", "our certificate", text)
    words: dict[str, tuple[Level, str]] = {
        "accepted": ("good", "sent, with proof of its key, and the connection was not refused"),
        "refused": ("problem", "sent, and refused"),
        "unknown": (
            "unknown",
            "sent, with proof of its key; the server has not said yet whether it accepts it",
        ),
    }
    level, text = words[final.confirmed]
    return ReportRow("outcome.certificate", level, "our certificate", text)


def _first_line(text: str) -> str:
    return text.partition("\n")[0].partition(". That means")[0].removesuffix(".")


def _listed(names: Sequence[str], complete: bool) -> str:
    return ", ".join(names) + ("" if complete else " and perhaps more")


def _id(text: str) -> str:
    return "".join(each for each in text.lower() if each.isalnum())
