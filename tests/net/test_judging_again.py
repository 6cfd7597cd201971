"""Open channels whose peer is revoked meanwhile: whoever waits in a call is told, and so is the peer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

import identities
from bothways import Alert, Caution, EvidenceWanted, Fault, PeerAlert, PeerFault, TLSError, TrustStore
from bothways.net import Channel, wrap
from bothways.net import pipe as source
from bothways.trust import watched
from bothways.trust.crl_store import CRLStore
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.revocation import Revocation

pytestmark = pytest.mark.network


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look comes at once where real channels take a second, and a peer that stays is not waited for."""
    monkeypatch.setattr(source, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(source, "LINGER_SECONDS", 0.3)


@pytest.fixture(autouse=True)
def threads_end() -> Iterator[None]:
    """Whoever still ends a connection in the background is waited for."""
    before = set(threading.enumerate())
    yield
    for each in set(threading.enumerate()) - before:
        each.join(60)
        assert not each.is_alive()


class Talk:
    """A client and a server over one socket pair; `judge` looks at the other by lists that may change."""

    def __init__(self, judge: str, timeout: float | None, **options) -> None:
        self.lists = CRLStore(identities.crls())
        policy = {"revocation": Revocation(crls=self.lists, **options), "judge_again": "change"}
        near, far = socket.socketpair()
        client = identities.client_config(identities.client(), **(policy if judge == "client" else {}))
        server = identities.server_config(**(policy if judge == "server" else {}))
        ends: dict[str, Channel] = {}

        def serve() -> None:
            ends["server"] = wrap(far, server)

        serving = threading.Thread(target=serve)
        serving.start()
        ends["client"] = wrap(near, client, "localhost")
        serving.join(60)
        self.judge, self.other = ends[judge], ends["client" if judge == "server" else "server"]
        self.judge.settimeout(timeout)
        self.other.settimeout(60)
        self.judged = identities.client() if judge == "server" else identities.server()

    def revoke(self) -> None:
        self.lists.replace(CRLStore(identities.crls(self.judged, number=2)))

    def revoke_soon(self) -> None:
        threading.Timer(0.1, self.revoke).start()

    def close(self) -> None:
        for end in (self.judge, self.other):
            end.abort()
            end.close()


@pytest.fixture
def talk() -> Iterator[Callable[..., Talk]]:
    talks: list[Talk] = []

    def begin(judge: str = "server", timeout: float | None = 10, **options) -> Talk:
        talks.append(Talk(judge, timeout, **options))
        return talks[-1]

    yield begin
    for each in talks:
        each.close()


def refusal(act: Callable[[], object]) -> PeerFault:
    with pytest.raises(PeerFault) as caught:
        act()
    assert caught.value.fault is Fault.REVOKED
    return caught.value


@pytest.mark.parametrize("judge", ["client", "server"])
@pytest.mark.parametrize("timeout", [None, 10])
def test_a_waiting_thread_and_the_peer_learn_of_a_revocation(talk, judge, timeout):
    """Nobody has to say anything for it."""
    open_ = talk(judge, timeout)
    open_.revoke_soon()
    error = refusal(lambda: open_.judge.recv(1))
    assert error.step == ("2.3c" if judge == "client" else "3.3c")
    with pytest.raises(PeerAlert) as caught:
        open_.other.recv(1)
    assert (caught.value.alert, caught.value.step) == (Alert.CERTIFICATE_REVOKED, error.step)


def test_nothing_more_is_sent_to_a_peer_that_is_revoked(talk):
    """It is judged before data goes out, not after."""
    open_ = talk()
    open_.judge.sendall(b"before")
    open_.revoke()
    refusal(lambda: open_.judge.sendall(b"after"))
    assert open_.other.recv(100) == b"before"
    with pytest.raises(PeerAlert):
        open_.other.recv(1)


def test_a_peer_that_has_said_goodbye_and_listens_on_is_judged_too(talk):
    """RFC 9846 6.1: one direction may go on, and so does revocation."""
    open_ = talk()
    open_.other.shutdown()
    assert open_.judge.recv(1) == b""
    open_.judge.sendall(b"before")
    open_.revoke()
    refusal(lambda: open_.judge.sendall(b"after"))
    assert open_.other.recv(100) == b"before"


@pytest.mark.parametrize("timeout", [None, 10])
def test_a_peer_that_is_revoked_while_it_reads_nothing_ends_who_sends_to_it(talk, timeout):
    """The sender waits for room, and would wait for ever."""
    open_ = talk(timeout=timeout)
    open_.revoke_soon()
    refusal(lambda: open_.judge.sendall(bytes(64 * 1024 * 1024)))


def test_a_receiving_and_a_sending_thread_both_learn_of_a_revocation(talk):
    """Whichever sees it first."""
    open_ = talk(timeout=None)
    caught: list[Exception] = []

    def until_refused(act: Callable[[], object]) -> None:
        try:
            while True:
                act()
        except (TLSError, OSError) as error:
            caught.append(error)

    threads = [
        threading.Thread(target=until_refused, args=(act,))
        for act in (lambda: open_.judge.recv(1), lambda: open_.judge.sendall(bytes(100_000)))
    ]
    for each in threads:
        each.start()
    open_.revoke_soon()
    for each in threads:
        each.join(60)
    assert len(caught) == 2
    assert all(isinstance(each, PeerFault) and each.fault is Fault.REVOKED for each in caught), caught


def test_data_received_before_a_revocation_is_delivered(talk):
    """Then the refusal."""
    open_ = talk()
    open_.other.sendall(b"words")
    assert open_.judge.recv(1) == b"w"
    open_.revoke()
    assert open_.judge.recv(100) == b"ords"
    refusal(lambda: open_.judge.recv(1))


def test_a_channel_can_be_judged_at_any_time(talk):
    """By the caller's own reasons; where all holds, nothing happens."""
    open_ = talk()
    open_.judge.judge_again()
    open_.revoke()
    refusal(open_.judge.judge_again)
    refusal(open_.judge.judge_again)


def test_a_status_that_became_unknown_is_accepted_with_a_warning_if_that_is_configured(talk, caplog):
    """In the log too; and data goes on."""
    open_ = talk(unknown="accept")
    open_.lists.replace(CRLStore())
    open_.judge.sendall(b"on")
    assert open_.judge.warnings == [Caution.REVOCATION_UNKNOWN]
    assert open_.other.recv(10) == b"on"
    assert str(Caution.REVOCATION_UNKNOWN) in caplog.text


def test_a_time_limit_holds_while_looks_are_taken(talk):
    """`settimeout` means what it says."""
    open_ = talk()
    open_.judge.settimeout(0.1)
    with pytest.raises(TimeoutError):
        open_.judge.recv(1)
    open_.other.sendall(b"late")
    assert open_.judge.recv(10) == b"late"


def test_a_channel_that_was_accepted_stays_so_after_it_is_refused_later(talk):
    """`confirmed` tells of the handshake."""
    open_ = talk()
    open_.judge.sendall(b"welcome")
    assert open_.other.confirmed(10) == "accepted"
    open_.revoke()
    with pytest.raises(PeerFault):
        open_.judge.recv(1)
    open_.other.recv(100)
    with pytest.raises(PeerAlert):
        open_.other.recv(1)
    assert open_.other.confirmed(10) == "accepted"


# -- evidence that has to be fetched


class Fetching:
    """A server that judges by what `find` finds, and Grace, whose certificate names a responder."""

    def __init__(self, unknown: str = "refuse") -> None:
        self.found: object = [identities.status(identities.named_client())]
        self.asked, self.go = threading.Event(), threading.Event()
        self.go.set()
        policy = Revocation(fetch=Fetch(by_caller=True), covers="leaf", unknown=unknown)
        near, far = socket.socketpair()
        serving = threading.Thread(
            target=self._serve, args=(far, identities.server_config(revocation=policy))
        )
        serving.start()
        self.client = wrap(near, identities.client_config(identities.named_client()), "localhost")
        serving.join(60)
        self.asked.clear()

    def _serve(self, sock: socket.socket, config) -> None:
        self.server = wrap(sock, config, evidence=self._find)

    def _find(self, wanted: EvidenceWanted) -> object:
        self.asked.set()
        assert self.go.wait(60)
        if isinstance(self.found, type):
            raise self.found("out of order")
        return self.found

    def __enter__(self) -> Fetching:
        for end in (self.client, self.server):
            end.settimeout(60)
        return self

    def __exit__(self, *_: object) -> None:
        self.go.set()
        for end in (self.client, self.server):
            end.abort()
            end.close()


def test_data_goes_both_ways_while_evidence_is_fetched_and_a_revocation_then_ends_it():
    """Also time limits of calls hold meanwhile."""
    with Fetching() as talk:
        talk.go.clear()
        talk.server.judge_again()
        assert talk.asked.wait(60)
        talk.server.sendall(b"back")
        talk.client.sendall(b"there")
        assert (talk.client.recv(10), talk.server.recv(10)) == (b"back", b"there")
        talk.server.settimeout(0.05)
        with pytest.raises(TimeoutError):
            talk.server.recv(1)
        talk.server.settimeout(60)
        talk.found = [identities.status(identities.named_client(), "revoked")]
        talk.go.set()
        refusal(lambda: talk.server.recv(1))
        with pytest.raises(PeerAlert):
            talk.client.recv(1)


@pytest.mark.parametrize("found", [None, ZeroDivisionError, [1, 2, 3]])
def test_evidence_that_is_not_found_follows_the_policy(caplog, found):
    """Whatever our own finder does."""
    with Fetching() as talk:
        talk.found = found
        with pytest.raises(PeerFault) as caught:
            talk.server.judge_again()
            talk.server.recv(1)
        assert caught.value.fault is Fault.REVOCATION_UNKNOWN
        assert ("the evidence finder failed" in caplog.text) is (found is not None)
    with Fetching("accept") as talk:
        talk.found = found
        talk.server.judge_again()
        deadline = time.monotonic() + 10
        while not talk.server.warnings:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        talk.server.sendall(b"on")
        assert talk.client.recv(10) == b"on"
        assert talk.server.warnings == [Caution.REVOCATION_UNKNOWN]


def test_a_machine_without_a_thread_left_finds_nothing_and_the_policy_decides(caplog, monkeypatch):
    """A crowd of connections that lapse together must not end in an error that nobody documents."""

    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with Fetching() as talk:
        monkeypatch.setattr(threading.Thread, "start", none_left)
        with pytest.raises(PeerFault) as caught:
            talk.server.judge_again()
        monkeypatch.undo()
        assert caught.value.fault is Fault.REVOCATION_UNKNOWN
        assert "no thread is left" in caplog.text
        with pytest.raises(PeerAlert):
            talk.client.recv(1)


def test_an_answer_after_the_end_is_ignored(caplog):
    """The connection is over, and nobody waits for it."""
    with Fetching() as talk:
        talk.go.clear()
        talk.server.judge_again()
        assert talk.asked.wait(60)
        talk.client.close()
        assert talk.server.recv(1) == b""
        talk.server.close()
        talk.go.set()
        assert talk.server.fileno() == -1
    assert caplog.text == ""


def test_a_client_whose_authority_is_taken_out_of_a_watched_file_loses_its_channel(
    tmp_path, monkeypatch: pytest.MonkeyPatch
):
    """Without revocation lists: whoever waits in a call is told."""
    monkeypatch.setattr(watched, "LOOK_SECONDS", 0.05)
    (tmp_path / "ca.pem").write_bytes(identities.root().pem)
    server = identities.server_config(
        client_anchors=TrustStore.watched(tmp_path / "ca.pem"), judge_again="change"
    )
    near, far = socket.socketpair()
    ends: list[Channel] = []
    serving = threading.Thread(target=lambda: ends.append(wrap(far, server)))
    serving.start()
    with wrap(near, identities.client_config(identities.client()), "localhost") as client:
        serving.join(60)
        with ends[0] as served:
            (tmp_path / "ca.pem").write_bytes(identities.root("Another Root").pem)
            with pytest.raises(PeerFault) as caught:
                served.recv(1)
            assert caught.value.fault is Fault.NO_PATH
            with pytest.raises(PeerAlert):
                client.recv(1)
