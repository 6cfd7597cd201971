"""From the notes of recorders to a ladder: what was sent in which order, what arrived, what was checked.

Takes the notes of both sides or of one. Fields come from the codec tables. Tickets are withheld.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from bothways.describe.documents import certificate_document
from bothways.describe.escape import visible
from bothways.describe.messages import summary, title, version
from bothways.describe.recorder import Noted
from bothways.describe.steps import STEPS
from bothways.diagnosis import Explanation, Likely, Weight
from bothways.errors import PeerAlert, PeerFault, Truncated
from bothways.faults import shown
from bothways.iana import Alert, CipherSuite, ContentType, name
from bothways.ladder.by_step import as_resumed, is_resumed, step_views
from bothways.ladder.model import (
    AlertSent,
    Arrival,
    Arrow,
    Card,
    CauseText,
    CheckMade,
    ChoiceMade,
    DataSent,
    Event,
    Failure,
    Field,
    KeysTaken,
    Ladder,
    Message,
    NoStep,
    Side,
    StepStatus,
    StepTaken,
    other,
)
from bothways.roles import Phase, StepId
from bothways.tls.events import AlertSeen, Chosen, Judged, KeysChanged, MessageSeen, Proved, RecordSeen
from bothways.tls.wire import extensions as ext
from bothways.tls.wire import flight, tls12, tls13
from bothways.tls.wire.describe import ITEMS_SHOWN, in_words
from bothways.tls.wire.hello import HELLO_RETRY_REQUEST, ServerHello, is_retry

TEXT_LIMIT = 600
WITHHELD = "withheld: with a session ticket a session could be resumed"
TICKETS = (ext.SessionTicket, ext.PreSharedKeys)  # extensions that hold tickets

CODECS = {cls: codec for table in (flight.MESSAGES_12, flight.MESSAGES_13) for cls, codec in table.values()}


def lay_out(
    client: Sequence[Noted],
    server: Sequence[Noted],
    recorded: datetime,
    *,
    client_error: Exception | None = None,
    server_error: Exception | None = None,
    client_causes: Explanation | None = None,
    server_causes: Explanation | None = None,
) -> Ladder:
    """Return the ladder of a handshake from the notes of the two sides; one of them may be empty.

    client, server: the notes.  recorded: the time.  client_error, server_error: what ended the connection for each
    side, if anything.  client_causes, server_causes: the explanations of these errors.
    """
    resumed = is_resumed((*client, *server))
    client, server = as_resumed(client, resumed), as_resumed(server, resumed)
    failures = _failures(("client", client_error, client_causes), ("server", server_error, server_causes))
    cards = _Cards(recorded)
    start = min((each.at for each in (*client, *server)), default=0.0)
    events = [
        *_events("client", client, server, start, cards),
        *_events("server", server, client, start, cards),
    ]
    events.sort(key=lambda event: event.at)
    events = _in_phases(_with_failures(_with_joined_data(events), failures))
    received: tuple[tuple[Side, Sequence[Noted]], ...] = (("client", client), ("server", server))
    finished = {event.by for event in events if isinstance(event, Message) and event.name == "Finished"}
    outcome: Any = "failed" if failures else "succeeded" if len(finished) == 2 else "unfinished"
    return Ladder(
        format="bothways-handshake",
        version=2,
        recorded=recorded.isoformat(timespec="seconds"),
        sides=tuple(side for side, notes in received if notes),
        outcome=outcome,
        **_agreed((*client, *server)),
        failures=failures,
        steps=tuple(_steps(client, server, events, outcome, failures)),
        events=tuple(events),
        certificates=tuple(cards.cards),
    )


# -- what one side noted ---------------------------------------------------------------------------------


def _events(
    side: Side, notes: Sequence[Noted], others: Sequence[Noted], start: float, cards: _Cards
) -> Iterator[Event]:
    """Return what `side` noted: its own messages, those that only it saw, and its checks, choices and keys."""
    known = {sent: _count_notes(others, sent=not sent) for sent in (True, False)}
    arrived = _data(others, sent=False)
    for each in notes:
        at = round((each.at - start) * 1000, 3)
        match each.note:
            case RecordSeen(sent, ContentType.application_data, size, epoch):
                if sent or not others:
                    arrived -= size
                    arrival: Arrival = "unknown" if not others else "whole" if arrived >= 0 else "lost"
                    by = side if sent else other(side)
                    yield DataSent("data", Phase.OPEN, at, by, size, cast(Any, epoch.value), arrival)
            case MessageSeen(sent) | AlertSeen(sent):
                copies = known[sent]
                whole = copies[_identity(each)] > 0
                copies[_identity(each)] -= 1
                if sent or not others or not whole:
                    missing: Arrival = "lost" if sent else "altered"
                    arrival = "unknown" if not others else "whole" if whole else missing
                    yield _arrow(side if sent else other(side), each, at, arrival, cards)
            case _:
                yield from _remarks(side, each, at, alone=not others)


def _count_notes(notes: Iterable[Noted], *, sent: bool) -> Counter[object]:
    """Count the messages and alerts that a side sent, or received, by their content."""
    return Counter(
        _identity(each)
        for each in notes
        if isinstance(each.note, (MessageSeen, AlertSeen)) and each.note.sent is sent
    )


def _identity(noted: Noted) -> object:
    match noted.note:
        case MessageSeen(raw=raw):
            return raw
        case AlertSeen(_, level, description):
            return level, description
    return None


def _data(notes: Iterable[Noted], *, sent: bool) -> int:
    """Return how many bytes of application data a side sent or received."""
    return sum(
        each.note.size
        for each in notes
        if isinstance(each.note, RecordSeen)
        and each.note.content_type == ContentType.application_data
        and each.note.sent is sent
    )


def _arrow(by: Side, noted: Noted, at: float, arrival: Arrival, cards: _Cards) -> Arrow:
    note = noted.note
    if isinstance(note, AlertSeen):
        text = name(Alert, note.description).lower()
        return AlertSent("alert", Phase.HELLO, at, by, text, cast(Any, note.epoch.value), arrival)
    if not isinstance(note, MessageSeen):
        raise TypeError(f"{type(note).__name__} is no arrow")
    secret = _holds_ticket(note.message)
    return Message(
        kind="message",
        phase=Phase.HELLO,
        at=at,
        by=by,
        name=title(note.message),
        steps=note.steps,
        keys=cast(Any, note.epoch.value),
        size=len(note.raw),
        arrival=arrival,
        summary=summary(note.message, certificate=note.certificate),
        fields=tuple(_fields(note.message)),
        bytes=None if secret else note.raw.hex(),
        certificates=tuple(cards.of(by, note.content)),
    )


def _remarks(side: Side, noted: Noted, at: float, *, alone: bool) -> Iterator[Event]:
    match noted.note:
        case Proved(step, text):
            yield CheckMade("check", Phase.HELLO, at, side, step, "passed", visible(text, TEXT_LIMIT))
        case Judged(step, verdict):
            for each in verdict.findings:
                text = visible(each.text, TEXT_LIMIT)
                outcome: Any = each.outcome.value
                yield CheckMade("check", Phase.HELLO, at, side, step.part(each.letter), outcome, text)
        case Chosen(what, offered, chosen, by) if by == side or alone:
            yield ChoiceMade("choice", Phase.HELLO, at, cast(Side, by), what, offered, shown(chosen))
        case KeysChanged(sent, epoch, suite) if sent or alone:
            yield KeysTaken("keys", Phase.HELLO, at, side, sent, cast(Any, epoch.value), suite)


# -- messages --------------------------------------------------------------------------------------------


def _fields(message: flight.Message) -> Iterator[Field]:
    """Return the fields as text, by the codec tables; a list also by its items."""
    codec: Any = CODECS[type(message)]
    if isinstance(message, ServerHello) and is_retry(message):
        codec = HELLO_RETRY_REQUEST
    forms = dict(getattr(codec.shape, "fields", ()))
    ticket = isinstance(message, (tls12.NewSessionTicket, tls13.NewSessionTicket))
    for field, value, text in flight.fields_of(message):
        if ticket and field.startswith("ticket") and isinstance(value, bytes):
            yield Field(field, WITHHELD, ())
        elif isinstance(value, tuple) and len(value) > 1 and field in forms:
            items = tuple(_item(forms[field], each) for each in value[:ITEMS_SHOWN])
            more = (f"and {len(value) - ITEMS_SHOWN} more",) if len(value) > ITEMS_SHOWN else ()
            yield Field(field, f"{len(value)} items" if len(text) > 80 else text, items + more)
        elif isinstance(value, tuple) and any(isinstance(each, TICKETS) for each in value):
            yield Field(field, WITHHELD, ())
        else:
            yield Field(field, text, ())


def _item(form: Any, value: Any) -> str:
    text = in_words(form, (value,))
    return f"{text.partition(' ')[0]} {WITHHELD}" if isinstance(value, TICKETS) else text


def _holds_ticket(message: flight.Message) -> bool:
    if isinstance(message, (tls12.NewSessionTicket, tls13.NewSessionTicket)):
        return True
    return any(isinstance(each, TICKETS) for each in getattr(message, "extensions", None) or ())


class _Cards:
    """The certificates of a ladder, each once for each side that sent it."""

    def __init__(self, now: datetime) -> None:
        self.cards: list[Card] = []
        self._known: dict[tuple[Side, bytes], int] = {}
        self._now = now

    def of(self, by: Side, message: flight.Message) -> list[int]:
        """Return the places of the certificates in `message`."""
        chain: Sequence[bytes] = ()
        if isinstance(message, tls13.Certificate):
            chain = [entry.cert_data for entry in message.certificate_list]
        elif isinstance(message, tls12.Certificate):
            chain = message.certificate_list
        return [self._card(by, place, der) for place, der in enumerate(chain)]

    def _card(self, by: Side, place: int, der: bytes) -> int:
        known = self._known.get((by, der))
        if known is None:
            known = self._known[by, der] = len(self.cards)
            self.cards.append(Card(by, place, *self._text(der)))
        return known

    def _text(self, der: bytes) -> tuple[str, tuple[tuple[str, str], ...]]:
        document = certificate_document(der, self._now)
        if document.damaged:
            return f"{len(der)} bytes that are not a certificate", ()
        return document.title, document.facts


# -- the whole -------------------------------------------------------------------------------------------


def _with_joined_data(events: Iterable[Event]) -> list[Event]:
    """Join consecutive application data of one direction into one arrow."""
    joined: list[Event] = []
    for event in events:
        last = joined[-1] if joined else None
        if (
            isinstance(event, DataSent)
            and isinstance(last, DataSent)
            and (event.by, event.keys, event.arrival) == (last.by, last.keys, last.arrival)
        ):
            joined[-1] = replace(last, size=last.size + event.size)
        else:
            joined.append(event)
    return joined


def _with_failures(events: list[Event], failures: Iterable[Failure]) -> list[Event]:
    """Insert each failed check that no verdict contains, before the alert that was sent for it."""
    for each in failures:
        is_shown = any(_is_failed(event, each) for event in events)
        step = _listed_step(each.step)
        if each.kind != "PeerFault" or step is None or is_shown:
            continue
        places = (
            place
            for place, event in enumerate(events)
            if isinstance(event, AlertSent) and event.by == each.side and event.name == each.alert
        )
        place = next(places, len(events))
        at = events[place].at if place < len(events) else events[-1].at if events else 0.0
        events.insert(place, CheckMade("check", Phase.HELLO, at, each.side, step, "failed", each.text))
    return events


def _listed_step(step: StepId | NoStep) -> StepId | None:
    """Return the step at which a failure is shown: for a failed verification as a whole, its first part."""
    return next((each for each in STEPS if step and each.startswith(step)), None)


def _is_failed(event: Event, failure: Failure) -> bool:
    return (
        isinstance(event, CheckMade)
        and event.outcome == "failed"
        and (event.by, event.step) == (failure.side, _listed_step(failure.step))
    )


def _in_phases(events: Sequence[Event]) -> list[Event]:
    """Give each event its phase, in the order of the phases.

    An event of the last phase that is before the end of an earlier one, as the server's Finished of TLS 1.3, is shown
    where it is.
    """
    placed: list[Event] = []
    phases = [_own_phase(event) for event in events]
    last = max((at for at, own in enumerate(phases) if own not in (None, Phase.OPEN)), default=-1)
    phase = Phase.HELLO
    for at, (event, own) in enumerate(zip(events, phases, strict=True)):
        if own is not None and own > phase and (own is not Phase.OPEN or at > last):
            phase = own
        placed.append(replace(event, phase=phase))
    return placed


def _own_phase(event: Event) -> Phase | None:
    """Return the phase of an event, if it determines one."""
    match event:
        case Message(steps=(first, *_)):
            return first.phase
        case CheckMade(step=step, outcome=outcome) if step.phase is not Phase.OPEN or outcome == "passed":
            return step.phase
        case DataSent():
            return Phase.OPEN
    return None


def _agreed(notes: Iterable[Noted]) -> dict[str, Any]:
    facts: dict[str, Any] = {"tls": None, "suite": None, "group": None}
    for each in notes:
        match each.note:
            case MessageSeen(message=ServerHello() as hello) if not is_retry(hello):
                selected = ext.find(hello.extensions or (), ext.SelectedVersion)
                facts["tls"] = version(selected.version if selected else hello.legacy_version)
                facts["suite"] = name(CipherSuite, hello.cipher_suite)
            case Chosen("group", _, chosen):
                facts["group"] = shown(chosen)
    return facts


def _failures(*sides: tuple[Side, Exception | None, Explanation | None]) -> tuple[Failure, ...]:
    """Return how the connection ended for each side; first the side that found the fault."""
    found = [_failure(side, error, why) for side, error, why in sides if error is not None]
    return tuple(sorted(found, key=lambda failure: failure.kind != "PeerFault"))


def _failure(side: Side, error: Exception, why: Explanation | None) -> Failure:
    text = visible(str(error), TEXT_LIMIT)
    causes = tuple(_cause(each) for each in why.shown_causes) if why is not None else ()
    blank = Failure(side, type(error).__name__, "", text, (), "", "", why.usually if why else "", "", causes)
    match error:
        case PeerFault():
            return replace(
                blank,
                step=error.step or "",
                text=error.sentence,
                also=tuple(str(reason) for reason in error.reasons[1:]),
                rule=error.rule,
                alert=error.alert.name.lower(),
                hint="" if causes else error.hint,
            )
        case PeerAlert():
            text = f"the {error.peer} refused the connection with alert {error.name}"
            meaning = blank.meaning or visible(error.meaning, TEXT_LIMIT)
            hint = "" if causes else visible(error.hint, TEXT_LIMIT)
            return replace(
                blank, step=error.step or "", text=text, alert=error.name, meaning=meaning, hint=hint
            )
        case Truncated():
            return replace(blank, step=error.step or "")
    return blank


def _cause(likely: Likely) -> CauseText:
    return CauseText(
        code=likely.cause.name,
        party=cast(Any, likely.party.value),
        certain=likely.weight is Weight.CERTAIN,
        text=likely.text,
        evidence=likely.evidence,
        remedy=likely.remedy,
        command=likely.command,
    )


def _steps(
    client: Sequence[Noted],
    server: Sequence[Noted],
    events: Sequence[Event],
    outcome: str,
    failures: Sequence[Failure],
) -> Iterator[StepTaken]:
    failed = {event.step for event in events if isinstance(event, CheckMade) and event.outcome == "failed"}
    if not (client and server):  # one side knows only the alert of the other side's check
        failed |= {
            step for each in failures if each.kind == "PeerAlert" and (step := _listed_step(each.step))
        }
    certificate_requested = any(
        isinstance(event, Message) and event.name == "CertificateRequest" for event in events
    )
    resumed = is_resumed((*client, *server))
    silent = {side for side, notes in (("client", client), ("server", server)) if not notes}
    in_vain = all(event.arrival == "lost" for event in events if isinstance(event, DataSent))
    for view in step_views(client, server):
        id_, actor = view.name.id, view.name.actor
        status: StepStatus = "failed" if id_ in failed else view.status
        if id_ is StepId.APPLICATION_DATA and in_vain and outcome != "succeeded":
            status = "not reached"
        if status == "not reached" and outcome == "succeeded":
            one_way = id_.phase is Phase.CLIENT_AUTHENTICATION and not certificate_requested and not resumed
            unseen = actor in silent or id_ is StepId.APPLICATION_DATA
            status = "not part of it" if one_way else "not seen" if unseen else status
        yield StepTaken(id_, id_.name.lower(), cast(Any, actor), view.name.title, status)
