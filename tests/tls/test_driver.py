"""What a connection's events add up to, and who answers what it waits for: one status for every skin."""

from __future__ import annotations

import pytest

from bothways import Caution, PeerAlert, SignatureWanted, Truncated, UsageError
from bothways.errors import TLSError
from bothways.iana import Alert, SignatureScheme
from bothways.roles import StepId
from bothways.tls.driver import Answers, ConnectionStatus
from bothways.tls.events import Data, Established, EvidenceWanted, Failed, PeerClosed, Warned
from bothways.trust.evidence.fetch_policy import Fetch
from pair import NOON, Pair
from tls.handshake.conversations import CONVERSATIONS, Conversation, credentials

REQUEST = SignatureWanted(SignatureScheme.ed25519, b"data", credentials("localhost").certificate)

WANTED = EvidenceWanted((), Fetch(by_caller=True), NOON, 1.0)


def alert(step: StepId) -> PeerAlert:
    return PeerAlert(Alert.UNKNOWN_CA, step=step, peer="server", state="", meaning="", hint="")


@pytest.mark.parametrize("conversation", CONVERSATIONS.values(), ids=str)
def test_the_status_of_a_conversation_has_all_that_its_events_told(conversation: Conversation) -> None:
    """Data in order, the peer, and the peer's end."""
    talk: Pair = conversation.pair()
    talk.exchange()
    talk.client.send(b"one")
    talk.client.send(b"two")
    talk.client.close()
    talk.exchange()
    came: list[bytes] = []
    status = ConnectionStatus(came.append)
    assert status.take(talk.server_events) == []
    assert status.established and status.peer_closed and status.failure is None
    assert b"".join(came) == b"onetwo"
    assert status.peer == talk.server.peer


def test_requests_among_events_are_handed_back_and_nothing_beside_them_is_lost() -> None:
    """A connection may wait for several answers at once."""
    status = ConnectionStatus(list[bytes]().append)
    events = [Warned(Caution.NO_CREDENTIALS), REQUEST, Established(None), WANTED]
    assert status.take(events) == [REQUEST, WANTED]
    assert status.established and status.warnings == [Caution.NO_CREDENTIALS]
    assert status.take([PeerClosed()]) == []
    assert status.peer_closed


@pytest.mark.parametrize(
    ("error", "ended_by_peer", "refused"),
    [
        (alert(StepId("3")), True, True),
        (alert(StepId("2.1")), True, False),
        (Truncated("server", step=StepId("3")), True, True),
        (Truncated("server", step=StepId("4.3")), True, False),
        (UsageError("ours"), False, False),
    ],
)
def test_an_end_is_told_by_whom_it_came_and_whether_it_is_a_refusal_of_us(
    error: TLSError, ended_by_peer: bool, refused: bool
) -> None:
    """In TLS 1.3 a client learns at step 3 whether it is accepted."""
    status = ConnectionStatus(list[bytes]().append)
    status.raise_failure()
    status.take([Data(b"kept"), Failed(error)])
    assert (status.ended_by_peer, status.refused) == (ended_by_peer, refused)
    with pytest.raises(type(error)):
        status.raise_failure()


def test_each_request_goes_to_whoever_answers_such_ones() -> None:
    """A signer for signatures, a finder for evidence."""
    answers: Answers[bytes, None] = Answers(lambda asked: asked.data, lambda _: b"evidence")
    assert answers.answer(REQUEST) == b"data"
    assert answers.answer(WANTED) == b"evidence"


@pytest.mark.parametrize(("request_", "missing"), [(REQUEST, "signer"), (WANTED, "finder")])
def test_a_request_that_nobody_answers_is_our_own_mistake(
    request_: SignatureWanted | EvidenceWanted, missing: str
) -> None:
    """Said in words, before anything hangs."""
    with pytest.raises(UsageError, match=missing):
        Answers[bytes, None]().answer(request_)
