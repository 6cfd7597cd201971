"""Fetching: whom it asks, how long, how often; and that no answer of anybody's raises an error. In fake time."""

from __future__ import annotations

import asyncio
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from bothways.errors import ConfigError
from bothways.fetch import fetcher as source
from bothways.fetch.fetcher import Fetcher, fetcher
from bothways.fetch.transport import Reply, resolve
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.evidence.http_exchange import HTTPRequest, Missing
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.verdict import EvidenceRequest
from fetch.responders import in_fake_time
from fetch.worlds import INNER, OPEN, World, forever
from pki import DAY, NOW, Issued, crl, intermediate, leaf, ocsp_refusal, ocsp_response
from trust.evidence.evidence_requests import CA, LISTS, OTHER, RESPONDER, ROOT, SERVER, evidence_request

HOUR = timedelta(hours=1)
STRANGER = leaf(intermediate(ROOT, "Another"), "stranger.example")
GOOD, LIST = ocsp_response(SERVER), crl(CA)
SECONDS = 5.0


class Responder(World):
    """A world in which every address answers the same."""

    def __init__(self, page: object, **options) -> None:
        super().__init__(**options)
        self.page = page

    async def exchange(self, form: HTTPRequest, address: str, limit: int) -> Reply:
        self.pages = {str(form.location): self.page}
        return await super().exchange(form, address, limit)


async def fetched(world: World, wanted=None, at=NOW, **options):
    [found] = await world.fetcher(**options).fetch_all([wanted or evidence_request()], at, SECONDS)
    return found


def seconds_passed() -> float:
    return asyncio.get_running_loop().time()


# -- what comes ----------------------------------------------------------------------------------------------


@in_fake_time
async def test_a_response_and_a_crl_are_fetched_from_the_certificates_urls() -> None:
    """RFC 5280 4.2.2.1, 4.2.1.13."""
    response, listed = (
        await Responder(GOOD).fetcher().fetch_all([evidence_request(), evidence_request()], NOW, SECONDS)
    )
    assert isinstance(response, OCSPResponse) and response is listed
    world = World({LISTS: LIST})
    assert isinstance(await fetched(world, evidence_request("crl")), CRL)
    assert world.asked == [(LISTS, OPEN)]


@in_fake_time
async def test_fetched_evidence_with_a_valid_signature_is_reported_once() -> None:
    """Not what is in the cache, what is older than that, or what another CA has signed."""
    learned = []
    world = World({LISTS: LIST})
    wanted, options = evidence_request("crl"), {"learned": learned.append, "keep": timedelta(0)}
    fetching = world.fetcher(**options)
    for page in (LIST, crl(CA, this_update=NOW - 2 * DAY), crl(STRANGER.above[0])):
        world.pages[LISTS] = page
        await fetching.fetch_all([wanted], NOW + len(world.asked) * HOUR, SECONDS)
    assert len(world.asked) == 3
    assert [each.der for each in learned] == [LIST]
    await fetched(Responder(GOOD), **options)
    assert [each.der for each in learned] == [LIST, GOOD]


@in_fake_time
async def test_locations_are_tried_in_order_until_one_has_usable_evidence() -> None:
    """What is unsound is better than nothing, for it says what is wrong."""
    first, second, third = (f"http://{name}.example/ca.crl" for name in "abc")
    expired = crl(CA, next_update=NOW - DAY / 2)
    world = World({first: OSError("down"), second: expired, third: LIST})
    wanted = evidence_request("crl", SERVER, first, second, third)
    assert (await fetched(world, wanted)).der == LIST
    assert [url for url, _ in world.asked] == [first, second, third]
    world.pages[third] = Reply(404)
    assert (await fetched(world, wanted)).der == expired


@in_fake_time
async def test_a_nonce_is_sent_and_compared_with_the_response() -> None:
    """RFC 9654: an old answer that is replayed is refused."""
    wanted = evidence_request(nonce=b"n" * 32)
    world = Responder(ocsp_response(SERVER, nonce=b"n" * 32))
    assert isinstance(await fetched(world, wanted, nonce="require"), OCSPResponse)
    assert world.forms[0].method == "POST"
    world.page = ocsp_response(SERVER, nonce=b"o" * 32)
    assert "another nonce than ours" in (await fetched(world, wanted, nonce="use")).problem
    world.page = GOOD
    assert isinstance(await fetched(world, wanted, nonce="use"), OCSPResponse)
    assert "does not return our nonce" in (await fetched(world, wanted, nonce="require")).problem


# -- what does not --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "connection refused by the host or by a firewall"),
        (ConnectionResetError(104, "reset"), "it reset the connection"),
        (OSError(113, "No route to host"), "No route to host"),
        (Reply(404), "it answered with HTTP status 404"),
        (Reply(500), "it answered with HTTP status 500"),
        (b"<html>garbage</html>", "it is an HTML or XML document"),
        (b"", "it is not an OCSP response"),
        (ocsp_refusal("try_later"), "the responder answered: try later"),
        (ocsp_response(OTHER), "it is about another certificate"),
        (ocsp_response(SERVER, signer=OTHER), "has not authorised"),
        (ValueError("its answer is longer than 65536 bytes"), "longer than"),
        (forever, "no answer within 4.5 seconds"),
    ],
)  # fmt: skip
@in_fake_time
async def test_a_faulty_responder_is_missing_evidence_with_the_reason(page, problem: str) -> None:
    """Unreachable, failing, silent, malformed, or of another signer: no error is raised, and the time is limited."""
    found = await fetched(Responder(page))
    assert isinstance(found, Missing)
    assert found.problem.startswith(RESPONDER) and problem in found.problem
    assert seconds_passed() == (4.5 if page is forever else 0)


@in_fake_time
async def test_a_silent_responder_leaves_time_for_the_next_one() -> None:
    """Each location has its share of the time."""
    other = "http://other.example/"
    world = Responder(GOOD)
    world.names["ocsp.example"] = forever
    assert isinstance(await fetched(world, evidence_request("ocsp", SERVER, RESPONDER, other)), OCSPResponse)
    assert seconds_passed() == 2.25


@in_fake_time
async def test_all_requests_are_made_concurrently() -> None:
    """Two silent responders cost the time of one."""
    requests = [evidence_request("ocsp", SERVER, f"http://{name}.example/") for name in "ab"]
    found = await Responder(forever).fetcher().fetch_all(requests, NOW, SECONDS)
    assert [each.problem[:16] for each in found] == ["http://a.example", "http://b.example"]
    assert seconds_passed() == 4.5


@in_fake_time
async def test_the_callers_time_limit_ends_the_fetch() -> None:
    """A handshake has its own limit."""
    [found] = await Responder(forever).fetcher(seconds=60).fetch_all([evidence_request()], NOW, 2.0)
    assert found == Missing(f"{RESPONDER}: no answer within 2 seconds")
    assert seconds_passed() == 2.0


# -- whom it does not ask -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("addresses", "problem"),
    [
        ([INNER], "10.0.0.1 is private, and not allowed"),
        ([OPEN, INNER], "10.0.0.1 is private, and not allowed"),
        (["169.254.169.254"], "a cloud's metadata"),
        (["::ffff:127.0.0.1"], "this machine"),
        ([], "its host has no address"),
        (OSError(-2, "Name or service not known"), "Name or service not known"),
        (forever, "no answer within"),
    ],
)
@in_fake_time
async def test_a_name_with_internal_or_no_addresses_is_not_contacted(addresses, problem: str) -> None:
    """Every address that the name has is looked at before any is dialled."""
    world = Responder(GOOD, names={"ocsp.example": addresses})
    found = await fetched(world)
    assert problem in found.problem
    assert world.asked == []


@in_fake_time
async def test_the_checked_address_is_the_one_that_is_connected_to() -> None:
    """A name that leads elsewhere a moment later (rebinding) is not resolved again."""
    turns = iter([[OPEN], [INNER]])

    async def rebinding() -> list[str]:
        return next(turns)

    world = Responder(GOOD, names={"ocsp.example": rebinding})
    assert isinstance(await fetched(world), OCSPResponse)
    assert [address for _, address in world.asked] == [OPEN]


@in_fake_time
async def test_an_allowed_internal_responder_is_contacted() -> None:
    """By name or by network."""
    world = Responder(GOOD, names={"ocsp.example": [INNER]})
    for allowed in ("ocsp.example", "10.0.0.0/8"):
        assert isinstance(await fetched(world, allow=(allowed,)), OCSPResponse)


@in_fake_time
async def test_the_next_address_is_tried_where_one_cannot_be_reached() -> None:
    """As for hosts with a broken IPv6."""

    async def one_is_down(form: HTTPRequest, address: str) -> object:
        return OSError("unreachable") if address == OPEN else GOOD

    world = Responder(one_is_down, names={"ocsp.example": [OPEN, "8.8.4.4"]})
    assert isinstance(await fetched(world), OCSPResponse)
    assert [address for _, address in world.asked] == [OPEN, "8.8.4.4"]


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("https://ocsp.example/", "https is not allowed"),
        ("ldap://ocsp.example/", "not an http address"),
        ("http://a:b@ocsp.example/", "credentials"),
        ("http://ocsp.example:22/", "port 22"),
    ],
)
@in_fake_time
async def test_an_unusable_url_is_not_contacted(location: str, problem: str) -> None:
    """Nothing goes out."""
    world = Responder(GOOD)
    assert problem in (await fetched(world, evidence_request("ocsp", SERVER, location))).problem
    assert world.asked == []


# -- redirects -----------------------------------------------------------------------------------------------


INWARDS = [
    "http://127.1/",
    "http://127.0.0.1./",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://0/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a00:1::]/",
    "http://[fe80::1%25lo]/",
    "http://[fe80::1%lo]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://LOCALHOST./",
    "http://8.8.8.8@127.0.0.1/",
    "http://8.8.8.8\\@127.0.0.1/",
    "http://127.0.0.1%00.example/",
    "http://%31%32%37.0.0.1/",
    "http:///127.0.0.1/",
    "http:127.0.0.1/",
    "//127.0.0.1/",
    "http://[::1]x/",
    "http://[::1",
    "http://①②⑦.0.0.1/",
    "http://127。0。0。1/",
    "HTTP://127.0.0.1/",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
    "ldap://127.0.0.1/",
    "http://169.254.169.254/latest/",
    "http://[fd00:ec2::254]/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://8.8.8.8:22/",
    "http://8.8.8.8:99999/",
    "http://8.8.8.8:-1/",
    "http://8.8.8.8:0x50/",
    "http://8.8.8.8:８０/",
]
INJECTIONS = [
    "http://8.8.8.8/\r\nX: y",
    "http://8.8.8.8/ HTTP/1.1",
    "http://8.8.8.8\r\n/",
    "http://8.8.8.8/\t",
    "http://8.8.8.8/\0",
]


@pytest.mark.network
def test_no_notation_of_an_address_bypasses_the_check() -> None:
    """By the resolver of this system, which reads octal, hexadecimal and short forms (RFC 6943 3.1.1)."""
    world = World()
    names = [*INWARDS, *INJECTIONS]

    async def ask() -> list[object]:
        asking = Fetcher(Fetch(nonce="none"), resolve=resolve, exchange=world.exchange)
        return await asking.fetch_all([evidence_request("crl", SERVER, each) for each in names], NOW, SECONDS)

    assert {type(each) for each in asyncio.run(ask())} == {Missing} and world.asked == []


@in_fake_time
async def test_a_redirect_is_followed_after_a_check_of_its_host() -> None:
    """RFC 9110 15.4; relative ones too."""
    world = World(
        {
            LISTS: Reply(301, "/moved"),
            "http://crl.example/moved": Reply(307, "http://mirror.example/ca.crl"),
            "http://mirror.example/ca.crl": LIST,
        },
        {"mirror.example": ["8.8.4.4"]},
    )
    assert isinstance(await fetched(world, evidence_request("crl")), CRL)
    assert [address for _, address in world.asked] == [OPEN, OPEN, "8.8.4.4"]


@pytest.mark.parametrize(
    ("to", "problem"),
    [
        ("http://inner.example/", "10.0.0.1 is private, and not allowed"),
        ("http://169.254.169.254/latest/meta-data/", "a cloud's metadata"),
        ("https://crl.example/", "it redirects to an address that is not accepted: https is not allowed"),
        ("file:///etc/passwd", "not an http address"),
        ("", "it redirects to something that is not a URL"),
        (LISTS, "in a circle"),
    ],
)
@in_fake_time
async def test_a_redirect_to_internal_addresses_or_in_a_loop_is_not_followed(to: str, problem: str) -> None:
    """What a certificate may not name, its responder may not either."""
    world = World({LISTS: Reply(302, to)}, {"inner.example": [INNER], "169.254.169.254": ["169.254.169.254"]})
    assert problem in (await fetched(world, evidence_request("crl"))).problem
    assert len(world.asked) == 1


@in_fake_time
async def test_the_number_of_redirects_is_limited() -> None:
    """An endless row of them ends."""
    pages = {f"http://crl.example/{number}": Reply(302, f"/{number + 1}") for number in range(9)}
    world = World({LISTS: Reply(302, "/0"), **pages})
    assert "it redirects more than 3 times" in (await fetched(world, evidence_request("crl"))).problem
    assert len(world.asked) == 4


@in_fake_time
async def test_a_request_that_was_posted_is_posted_again_where_it_is_redirected() -> None:
    """Unless the answer says to look elsewhere for something else (303)."""
    world = World({RESPONDER: Reply(308, "/b"), f"{RESPONDER}b": ocsp_response(SERVER, nonce=b"n" * 32)})
    assert isinstance(await fetched(world, evidence_request(nonce=b"n" * 32)), OCSPResponse)
    assert [each.method for each in world.forms] == ["POST", "POST"]
    assert world.forms[0].body == world.forms[1].body
    world.pages[RESPONDER] = Reply(303, "/b")
    assert "HTTP status 303" in (await fetched(world, evidence_request(nonce=b"n" * 32))).problem


# -- one for many, and what is remembered -----------------------------------------------------------------------


@in_fake_time
async def test_equal_requests_share_one_fetch() -> None:
    """A hundred handshakes, one request; a cancelled one does not cancel it for the others."""

    async def slow(*_: object) -> bytes:
        await asyncio.sleep(1)
        return GOOD

    world = Responder(slow)
    shared = world.fetcher()
    waiting = [asyncio.create_task(shared.fetch(evidence_request(), NOW)) for _ in range(100)]
    await asyncio.sleep(0.5)
    waiting[0].cancel()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert {type(each) for each in found[1:]} == {OCSPResponse}
    assert len(world.asked) == 1


@in_fake_time
async def test_a_fetch_that_nobody_waits_for_is_cancelled() -> None:
    """And the next caller starts a new one."""
    ended = []

    async def watched(*_: object) -> bytes:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            ended.append(True)
            raise
        return GOOD

    world = Responder(watched)
    shared = world.fetcher()
    alone = asyncio.create_task(shared.fetch(evidence_request(), NOW))
    await asyncio.sleep(0.5)
    alone.cancel()
    await asyncio.gather(alone, return_exceptions=True)
    found = await shared.fetch(evidence_request(), NOW)
    assert ended == [True] and isinstance(found, OCSPResponse) and len(world.asked) == 2


@in_fake_time
async def test_fetched_evidence_is_used_until_it_is_due() -> None:
    """And fetched again then."""
    world = Responder(GOOD)
    shared = world.fetcher()
    for at in (NOW, NOW + HOUR / 2, NOW + HOUR):
        assert isinstance(await shared.fetch(evidence_request(), at), OCSPResponse)
    assert len(world.asked) == 2


@in_fake_time
async def test_a_failed_responder_is_not_asked_for_some_time() -> None:
    """Negative results are remembered briefly; evidence that still holds is kept across them."""
    world = Responder(forever)
    shared = world.fetcher()
    assert isinstance(await shared.fetch(evidence_request(), NOW), Missing)
    passed = seconds_passed()
    assert isinstance(await shared.fetch(evidence_request(), NOW + timedelta(seconds=29)), Missing)
    assert seconds_passed() == passed and len(world.asked) == 1
    world.page = GOOD
    assert isinstance(await shared.fetch(evidence_request(), NOW + timedelta(seconds=30)), OCSPResponse)
    world.page = forever
    assert isinstance(await shared.fetch(evidence_request(), NOW + 2 * HOUR), OCSPResponse)


@in_fake_time
@pytest.mark.parametrize(("kind", "most"), [("ocsp", 32), ("crl", 8)])
async def test_concurrent_fetches_are_limited(kind: str, most: int) -> None:
    """A crowd with certificates of its own does not open a connection for each, and CRLs are large."""
    going = {"a": 0, "b": 0}
    seen = []

    async def counted(form: HTTPRequest, _: str) -> Reply:
        whose = form.location.host[0]
        going[whose] += 1
        seen.append((going[whose], sum(going.values())))
        await asyncio.sleep(0.1)
        going[whose] -= 1
        return Reply(404)

    def requests(host: str, of: Issued) -> list[EvidenceRequest]:
        return [evidence_request(kind, of, f"http://{host}.example/{number}") for number in range(60)]

    everybody = [*requests("a", SERVER), *requests("b", STRANGER)]
    await Responder(counted).fetcher(seconds=60).fetch_all(everybody, NOW, 60)
    assert len(seen) == 120
    assert max(each for each, _ in seen) == most // 2 and max(each for _, each in seen) == most


@in_fake_time
async def test_fetches_for_one_issuers_peers_leave_places_for_those_of_others() -> None:
    """A CA can name any number of silent responders."""
    silent = [evidence_request("ocsp", STRANGER, f"http://silent.example/{number}") for number in range(200)]
    world = Responder(GOOD)
    world.names = {"silent.example": forever}
    shared = world.fetcher()
    crowd = asyncio.create_task(shared.fetch_all(silent, NOW, SECONDS))
    await asyncio.sleep(0.1)
    assert isinstance(await shared.fetch(evidence_request(), NOW), OCSPResponse) and seconds_passed() < 1
    crowd.cancel()


@in_fake_time
async def test_a_failure_caused_by_another_issuers_peer_is_not_shared() -> None:
    """It may name our CRL among silent places, so that there is little time for it; RFC 5280 4.2.1.13."""

    async def slow(form: HTTPRequest, _: str) -> bytes:
        await asyncio.sleep(2 if str(form.location) == LISTS else 1e6)
        return LIST

    shared = Responder(slow).fetcher()
    silent = [f"http://silent{number}.example/" for number in range(3)]
    theirs, ours = await shared.fetch_all(
        [evidence_request("crl", STRANGER, LISTS, *silent), evidence_request("crl")], NOW, 10 * SECONDS
    )
    assert isinstance(theirs, Missing) and isinstance(ours, CRL)
    assert isinstance(await shared.fetch(evidence_request("crl"), NOW), CRL)


@in_fake_time
async def test_a_cancelled_caller_does_not_cancel_a_shared_fetch() -> None:
    """The fetch belongs to all of its callers."""

    async def slow(*_: object) -> bytes:
        await asyncio.sleep(1)
        return GOOD

    world = Responder(slow)
    shared = world.fetcher()
    first, second, third = (asyncio.create_task(shared.fetch(evidence_request(), NOW)) for _ in range(3))
    await asyncio.sleep(0.1)
    first.cancel()
    await asyncio.sleep(0.1)
    second.cancel()
    assert isinstance(await third, OCSPResponse) and len(world.asked) == 1
    assert first.cancelled() and second.cancelled()


@in_fake_time
async def test_the_text_of_a_failure_is_cut() -> None:
    """Thousands of failures are kept, and the text of each is the network's."""
    found = await fetched(Responder(ValueError("x" * 100_000)))
    assert isinstance(found, Missing) and len(found.problem) < 400


@in_fake_time
async def test_a_defect_of_ours_is_missing_evidence_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A caller gets no exception."""
    found = await fetched(Responder(ZeroDivisionError("ours")))
    assert isinstance(found, Missing) and "a defect of ours" in found.problem
    assert "ZeroDivisionError" in caplog.text


@in_fake_time
async def test_a_response_of_the_year_9999_is_accepted() -> None:
    """Without nextUpdate it would hold for a day more, which no calendar has (RFC 6960 4.2.2.1)."""
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    found = await fetched(Responder(ocsp_response(SERVER, this_update=last, next_update=None)))
    assert isinstance(found, OCSPResponse)


def test_large_crls_are_decoded_two_at_a_time_and_small_answers_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reading takes threads, of which there are few; a peer may name several CRLs of a million entries."""
    long = crl(CA, extra=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), bytes(2000)), False)])
    monkeypatch.setattr(source, "LARGE", 2000)
    go, going = threading.Event(), []
    read = source.read_answer

    def slow(request: EvidenceRequest, data: bytes, at: datetime, **options: bool) -> object:
        if request.kind == "crl":
            going.append(request)
            go.wait(20)
        return read(request, data, at, **options)

    monkeypatch.setattr(source, "read_answer", slow)

    async def either(form: HTTPRequest, _: str) -> bytes:
        return long if form.location.host == "crl.example" else GOOD

    async def fetching() -> None:
        shared = Responder(either).fetcher()
        lists = [evidence_request("crl", SERVER, f"http://crl.example/{number}") for number in range(4)]
        waiting = asyncio.create_task(shared.fetch_all(lists, NOW, 20))
        while len(going) < 2:
            await asyncio.sleep(0.001)
        assert isinstance(await shared.fetch(evidence_request(), NOW), OCSPResponse) and len(going) == 2
        go.set()
        assert {type(each) for each in await waiting} == {CRL}

    asyncio.run(fetching())


# -- the directory ------------------------------------------------------------------------------------------


def test_evidence_in_a_directory_is_used_by_later_processes(tmp_path: Path) -> None:
    """Another process, with an empty cache in memory, makes no request while it is not due."""

    @in_fake_time
    async def first() -> None:
        assert isinstance(
            await fetched(World({LISTS: LIST}), evidence_request("crl"), directory=tmp_path), CRL
        )

    @in_fake_time
    async def second() -> None:
        world = World({LISTS: OSError("down")})
        shared = world.fetcher(directory=tmp_path, keep=timedelta(days=3650))
        assert isinstance(await shared.fetch(evidence_request("crl"), NOW), CRL)
        assert world.asked == []

    first()
    [file] = tmp_path.iterdir()
    os.utime(file, (NOW.timestamp(), NOW.timestamp()))
    second()


@in_fake_time
async def test_a_file_that_is_due_is_fetched_again_and_used_if_that_fails(tmp_path: Path) -> None:
    """As evidence in memory does; the file's time is that of the fetch, and one from the future does not count."""
    world = World({LISTS: LIST})
    await fetched(world, evidence_request("crl"), directory=tmp_path)
    world.pages[LISTS] = OSError("down")
    assert isinstance(await fetched(world, evidence_request("crl"), directory=tmp_path), CRL)
    assert len(world.asked) == 2


@in_fake_time
async def test_a_damaged_file_is_ignored_and_replaced(tmp_path: Path) -> None:
    """Nothing is trusted for being there: neither garbage nor another signer's response."""
    for damage in (b"garbage", ocsp_response(OTHER), ocsp_response(SERVER, signer=OTHER)):
        world = Responder(GOOD)
        await fetched(world, directory=tmp_path)
        [file] = tmp_path.iterdir()
        file.write_bytes(damage)
        os.utime(file, (NOW.timestamp(), NOW.timestamp()))
        world = Responder(GOOD)
        shared = world.fetcher(directory=tmp_path, keep=timedelta(days=3650))
        assert isinstance(await shared.fetch(evidence_request(), NOW), OCSPResponse)
        assert len(world.asked) == 1 and file.read_bytes() == GOOD


@in_fake_time
async def test_unusable_evidence_is_not_stored_in_the_directory(tmp_path: Path) -> None:
    """An expired CRL, or one whose signer is not seen, is for this moment alone."""
    for unsound in (crl(CA, next_update=NOW - DAY / 2), crl(ROOT)):
        assert isinstance(
            await fetched(World({LISTS: unsound}), evidence_request("crl"), directory=tmp_path), CRL
        )
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_used_is_reported_before_anything_is_fetched(tmp_path: Path) -> None:
    """ConfigError."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError):
        Fetcher(Fetch(directory=tmp_path / "file"))


def test_a_policy_has_one_fetcher_for_each_event_loop() -> None:
    """All who share a policy share its fetches."""
    policy = Fetch()

    async def twice() -> tuple[Fetcher, Fetcher]:
        return fetcher(policy), fetcher(policy)

    one, same = asyncio.run(twice())
    other, _ = asyncio.run(twice())
    assert one is same and one is not other
