"""What each wrong frame and each malformed message ends: a stream or the connection, and no more (RFC 9113 5.4)."""

from __future__ import annotations

import random
from collections.abc import Iterable

import hpack
import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from bothways.http2.budget import COST_AT_ONCE, COST_OF_RESET
from bothways.http2.frames import END_HEADERS, END_STREAM, PREFACE, Frame, FrameReader, GoAway, Kind
from bothways.http2.receiver import HeadKind, ReceivedHead, Receiver, StreamFailed
from bothways.http2.violations import Ends, ErrorCode, Rule, Violation
from http2_cases import ALL, DATA, GET, HEADERS, STREAMS, WHOLE, Case, block, f, literal, posted, request

HEAD_LIMIT = 4000
START = PREFACE + f(Kind.SETTINGS, 0, 0) + f(Kind.SETTINGS, 1, 0)


class Taken:
    """One side of a connection, and what came of bytes. `ended`: the code by which the connection ended."""

    def __init__(self, *, client_side: bool = False) -> None:
        settings = {SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS}
        self.receiver = Receiver(
            client_side=client_side, head_limit=HEAD_LIMIT, clock=lambda: 0.0, settings=settings
        )
        self.receiver.http.initiate_connection()
        self.events: list[object] = []
        self.sent: list[Frame] = []
        self.ended: ErrorCode | None = None
        self._reader = FrameReader(PREFACE if client_side else b"")

    def take(self, data: bytes, step: int = 1 << 20) -> Taken:
        for at in range(0, len(data), step):
            try:
                self.events += self.receiver.take(data[at : at + step])
            except Violation as violation:
                assert violation.rule.ends is Ends.CONNECTION
                self.ended = violation.rule.code
                self._read()
                told = [GoAway.of(each).code for each in self.sent if each.kind == Kind.GOAWAY]
                assert told == ([self.ended] if violation.is_told else [])
                break
        self._read()
        return self

    def _read(self) -> None:
        self.sent += self._reader.take(self.receiver.http.data_to_send())

    def heads(self) -> list[ReceivedHead]:
        return [each for each in self.events if isinstance(each, ReceivedHead)]

    def resets(self) -> dict[int, ErrorCode]:
        """The first code by which each stream was reset."""
        found: dict[int, ErrorCode] = {}
        for each in self.sent:
            if each.kind == Kind.RST_STREAM:
                found.setdefault(each.stream, ErrorCode(int.from_bytes(each.content)))
        return found


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.id)
def test_what_a_client_does_wrong_ends_what_the_rfc_says(case: Case) -> None:
    for step in (1 << 20, 7):
        taken = Taken().take(START + case.sent, step)
        assert taken.ended == case.ends
        if case.ends is None:
            assert taken.resets() == (case.resets or {})
            asked = {each.stream for each in taken.heads() if each.kind is HeadKind.REQUEST}
            assert asked >= set(case.answers)
            if 2**31 - 1 not in asked:
                taken.take(request(999))
                assert [each.stream for each in taken.heads()][-1] == 999, "the connection goes on"


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\n\r\n", PREFACE + request(1), PREFACE + f(4, 1, 0)])
def test_the_first_frame_of_a_client_has_its_settings(start: bytes) -> None:
    """RFC 9113 3.4: also where that frame is too long."""
    assert Taken().take(start).ended == ErrorCode.PROTOCOL_ERROR
    assert Taken().take(PREFACE + f(0, 0, 1, bytes(16385))).ended == ErrorCode.PROTOCOL_ERROR


def test_a_malformed_request_is_told_with_what_is_known_of_it() -> None:
    taken = Taken().take(START + request(1, *GET, ("connection", "close")))
    [failed] = [each for each in taken.events if isinstance(each, StreamFailed)]
    assert failed.rule is Rule.CONNECTION_FIELD and dict(failed.fields or ())[b":path"] == b"/"
    [empty] = [
        each for each in Taken().take(START + f(HEADERS, WHOLE, 1)).events if isinstance(each, StreamFailed)
    ]
    assert (empty.rule, empty.fields) == (Rule.REQUEST_FIELDS, [])


def test_heads_after_a_malformed_one_are_decompressed_as_before() -> None:
    """The table of HPACK is one for the connection."""
    encoder = hpack.Encoder()
    fields = [(name.encode(), value.encode()) for name, value in GET]
    bad = encoder.encode([*fields, (b"X", b"kept in the table")])
    good = encoder.encode([*fields, (b"y", b"kept in the table"), (b"z", b"new")])
    taken = Taken().take(START + f(HEADERS, WHOLE, 1, bad) + f(HEADERS, WHOLE, 3, good))
    assert taken.heads()[0].fields[-2:] == [(b"y", b"kept in the table"), (b"z", b"new")]


def test_a_stream_that_was_refused_is_no_idle_one() -> None:
    """What was under way on it is taken and thrown away, and the window of the connection stays open."""
    bad = request(1, *GET, ("X", "a"), flags=END_HEADERS)
    taken = Taken().take(START + bad)
    for _ in range(20):
        taken.take(f(DATA, 0, 1, bytes(16384)))
    taken.take(request(1, ("x", "y")) + f(Kind.WINDOW_UPDATE, 0, 1, bytes((0, 0, 0, 1))) + request(3))
    assert taken.ended is None and [each.stream for each in taken.heads()] == [3]


def test_streams_that_were_refused_make_room_when_others_end() -> None:
    taken = Taken().take(START + b"".join(posted(2 * each + 1) for each in range(STREAMS)))
    assert set(taken.take(request(301)).resets()) == {301}
    taken.take(f(Kind.RST_STREAM, 0, 1, (8).to_bytes(4)) + request(303))
    assert set(taken.resets()) == {301} and taken.heads()[-1].stream == 303


@pytest.mark.parametrize(
    "wrong",
    [
        lambda number: request(number, *GET, ("X", "a")),
        lambda number: posted(number, ("content-length", "1")) + f(DATA, 0, number, b"xy"),
        lambda number: posted(number) + f(Kind.WINDOW_UPDATE, 0, number, bytes(4)),
        lambda number: posted(number) + f(Kind.PRIORITY, 0, number, b"x"),
        lambda number: posted(number) + posted(number),
    ],
)
def test_a_client_that_goes_on_with_stream_errors_is_ended(wrong: object) -> None:
    """Each makes us send a reset, as in a rapid reset that the peer has us do (CVE-2025-8671)."""
    assert callable(wrong)
    taken = Taken().take(START)
    count = 0
    while taken.ended is None and count < COST_AT_ONCE:
        taken.take(wrong(2 * count + 1))
        count += 1
    assert taken.ended is ErrorCode.ENHANCE_YOUR_CALM
    assert COST_AT_ONCE / COST_OF_RESET / 2 < count < 2 * COST_AT_ONCE / COST_OF_RESET


def test_a_head_that_is_larger_than_we_said_ends_its_stream_at_most() -> None:
    """RFC 9113 10.5.1; beyond twice of that it is not decompressed."""
    large = [("x", "a" * (HEAD_LIMIT // 2)), ("y", "a" * (HEAD_LIMIT // 2))]
    packed = hpack.Encoder().encode([(name.encode(), value.encode()) for name, value in (*GET, *large)])
    assert len(packed) < HEAD_LIMIT
    [head] = Taken().take(START + f(HEADERS, WHOLE, 1, packed)).heads()
    assert head.is_too_large
    assert not Taken().take(START + request(1)).heads()[0].is_too_large
    taken = Taken().take(
        START + posted(1) + f(HEADERS, WHOLE, 1, packed[0:0] + hpack.Encoder().encode(large))
    )
    assert taken.resets() == {1: ErrorCode.ENHANCE_YOUR_CALM}
    bomb = hpack.Encoder().encode([(b"x", b"y" * 1000)]) + b"\xbe" * 10
    assert Taken().take(START + f(HEADERS, WHOLE, 1, bomb)).ended is ErrorCode.ENHANCE_YOUR_CALM
    assert Taken().take(START + f(HEADERS, 1, 1, bytes(HEAD_LIMIT + 1))).ended is ErrorCode.ENHANCE_YOUR_CALM


def test_cookies_of_a_request_become_one_field() -> None:
    """RFC 9113 8.2.3."""
    [head] = Taken().take(START + request(1, *GET, ("cookie", "a=b"), ("x", "y"), ("cookie", "c=d"))).heads()
    assert head.fields[-2:] == [(b"x", b"y"), (b"cookie", b"a=b; c=d")]


def test_what_has_ended_is_not_kept() -> None:
    taken = Taken().take(START)
    for number in range(1, 401, 4):
        taken.take(posted(number) + f(DATA, END_STREAM, number, b"x"))
        taken.take(posted(number + 2) + f(Kind.RST_STREAM, 0, number + 2, (8).to_bytes(4)))
        taken.receiver.reset(number, ErrorCode.NO_ERROR)
        taken.receiver.budget.earn(2 * COST_OF_RESET)
    kept = [value for value in vars(taken.receiver).values() if isinstance(value, dict)]
    assert taken.ended is None and kept == [{}]


# -- the other direction ---------------------------------------------------------------------------------


def asked(method: str = "GET", *, has_body: bool = False) -> Taken:
    """Our client's side, with requests on the streams 1 and 3."""
    taken = Taken(client_side=True)
    for number in (1, 3):
        taken.receiver.requests(number, method.encode())
        fields = [(":method", method), *GET[1:]]
        taken.receiver.http.send_headers(number, fields, end_stream=not has_body)
    return taken.take(f(Kind.SETTINGS, 0, 0))


def response(*fields: tuple[str, str], end: bool = True, status: str = "200", stream: int = 1) -> bytes:
    flags = END_HEADERS | (END_STREAM if end else 0)
    return f(HEADERS, flags, stream, block((":status", status), *fields))


BROKEN = {
    "8.2.1 name": response(("X", "a")),
    "8.2.1 value": response(("x", "a\r\nb: c")),
    "8.2.2": response(("connection", "close")),
    "8.3 pseudo-header field of requests": response((":path", "/")),
    "8.3 status twice": response((":status", "200")),
    "8.3.2 no status": f(HEADERS, WHOLE, 1, block(("x", "y"))),
    **{
        f"8.3.2 {each}": response(status=each)
        for each in ("", "99", "600", "2000", "+20", "20x", "2_0", "-20")
    },
    "8.6": response(status="101", end=False),
    "8.1 informational and the end": response(status="103"),
    "8.1 informational after the head": response(end=False) + response(status="103", end=False),
    "8.1 a second head": response(end=False) + response(end=False),
    "8.1 a body before a head": f(DATA, 0, 1, b"x"),
    "8.1 a body after an informational head": response(status="103", end=False) + f(DATA, 0, 1, b"x"),
    "8.1 trailers before a head": f(HEADERS, WHOLE, 1, block(("x-sum", "1"))),
    "8.1.1 too short": response(("content-length", "2"), end=False) + f(DATA, 1, 1, b"x"),
    "8.1.1 too long": response(("content-length", "1"), end=False) + f(DATA, 0, 1, b"xy"),
    "8.1.1 nothing": response(("content-length", "1")),
    "8.1.1 no number": response(("content-length", "x")),
    "8.1.1 a body with 204": response(status="204", end=False) + f(DATA, 1, 1, b"x"),
    "8.1.1 a body with 304": response(status="304", end=False) + f(DATA, 1, 1, b"x"),
    "6.9": response(end=False) + f(Kind.WINDOW_UPDATE, 0, 1, bytes(4)),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_malformed_response_ends_its_stream_and_no_other(what: str) -> None:
    for step in (1 << 20, 5):
        taken = asked(has_body=True).take(BROKEN[what], step)
        assert taken.ended is None and taken.resets() == {1: ErrorCode.PROTOCOL_ERROR}
        [failed] = [each for each in taken.events if isinstance(each, StreamFailed)]
        assert failed.stream == 1 and failed.fields is None
        assert taken.take(response(stream=3)).heads()[-1].stream == 3


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_the_length_of_a_response_is_that_of_its_body_where_it_has_one(method: str) -> None:
    """RFC 9110 8.6, RFC 9113 8.1.1."""
    head = response(("content-length", "5"), end=method == "HEAD")
    taken = asked(method).take(head)
    assert taken.ended is None and taken.resets() == {} and len(taken.heads()) == 1
    taken = asked(method).take(response(end=False) + f(DATA, 1, 1, b"x"))
    assert bool(taken.resets()) is (method == "HEAD")
    assert asked().take(response(("content-length", "5"), status="304")).resets() == {}


ENDING = {
    "5.1.1 a stream of the server": (response(stream=2), ErrorCode.PROTOCOL_ERROR),
    "5.1 a stream that was not opened": (response(stream=5), ErrorCode.PROTOCOL_ERROR),
    "5.1 data on one that was not opened": (f(DATA, 1, 5, b"x"), ErrorCode.PROTOCOL_ERROR),
    "5.1 a head after the end": (response() + response(), ErrorCode.STREAM_CLOSED),
    "6.5.2 ENABLE_PUSH of a server": (f(4, 0, 0, b"\0\2\0\0\0\1"), ErrorCode.PROTOCOL_ERROR),
    "6.6": (f(5, END_HEADERS, 1, (2).to_bytes(4) + block(*GET)), ErrorCode.PROTOCOL_ERROR),
    "4.3": (f(HEADERS, WHOLE, 1, b"\xff\x80\x01"), ErrorCode.COMPRESSION_ERROR),
}


@pytest.mark.parametrize("what", ENDING)
def test_a_server_that_breaks_the_connection_ends_it(what: str) -> None:
    data, code = ENDING[what]
    assert asked().take(data).ended == code


def test_a_server_that_takes_no_more_is_told() -> None:
    taken = asked().take(f(Kind.GOAWAY, 0, 0, (1).to_bytes(4) + bytes(4)) + response())
    assert GoAway(1, 0) in taken.events and taken.heads()[-1].stream == 1


def test_any_bytes_are_taken_or_refused_and_never_a_defect(full: bool) -> None:
    """Frames of all types, with heads among them, on few streams."""
    rng = random.Random(91)
    for _ in range(20_000 if full else 150):
        client_side = rng.random() < 0.5
        taken = asked(has_body=True) if client_side else Taken().take(START)
        data = b"".join(_frame(rng) for _ in range(rng.randrange(1, 9)))
        taken.take(data, rng.choice((1, 10, 1000)))
        for each in taken.heads():
            assert all(_is_clean(name, value) for name, value in each.fields)


def _frame(rng: random.Random) -> bytes:
    content = rng.choice((rng.randbytes(rng.randrange(20)), _fields(rng)))
    flags = rng.choice((rng.randrange(256), END_HEADERS, WHOLE, 0, 1))
    stream = rng.choice((0, 1, 2, 3, 5, rng.getrandbits(32)))
    data = f(rng.choice((rng.randrange(10), 0, 1, 1, 9)), flags, stream % 2**32, content)
    return data if rng.random() < 0.95 else data[: rng.randrange(len(data))]


def _fields(rng: random.Random) -> bytes:
    names: Iterable[bytes] = (
        b":status",
        b":method",
        b":path",
        b":scheme",
        b":authority",
        b"x",
        b"X",
        b"te",
        b"content-length",
    )
    values = (b"200", b"GET", b"/", b"https", b"a", b"", b"\r\n", b"\xff", b"0", b"1")
    made = b"".join(literal(each, rng.choice(values)) for each in names if rng.random() < 0.6)
    return made + (rng.randbytes(rng.randrange(4)) if rng.random() < 0.2 else b"")


def _is_clean(name: bytes, value: bytes) -> bool:
    return name == name.lower() and not {0, 10, 13} & {*name, *value} and value == value.strip(b" \t")


def test_codes_are_those_of_the_registry() -> None:
    """RFC 9113 7, as h2 has them."""
    assert {each.name: each.value for each in ErrorCode} == {each.name: each.value for each in ErrorCodes}


def test_what_h2_refuses_ends_the_connection() -> None:
    """Only h2 knows the windows (RFC 9113 6.9)."""
    assert (
        Taken().take(START + posted(1) + f(DATA, 0, 1, bytes(16384)) * 5).ended
        is ErrorCode.FLOW_CONTROL_ERROR
    )
