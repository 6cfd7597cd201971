"""Whatever a peer puts into names, chains and alerts: a short explanation is given, without control characters."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import identities
import pki
from bothways import TrustStore
from bothways.diagnosis import Explanation, Observed, OwnSide, Situation, explain, explain_answer
from bothways.diagnosis.situation import AcceptedCertificates, HelloOffer
from bothways.errors import PeerAlert, PeerFault
from bothways.faults import Fault, Reason
from bothways.roles import Progress, Role, StepId
from diagnosis.talks import talk

EVIL = "\x1b[2J\u202eevil\u0000\n`id`;$(id)'\"<script>" + "A" * 2000
LONGEST = 12_000


def harmless(found: Explanation) -> None:
    text = str(found)
    assert text.replace("\n", "").isprintable() and text.isascii()
    assert len(text) < LONGEST
    for each in found.causes:
        assert "evil" not in each.command and "id" not in each.command.replace("--", "")


def test_names_of_a_peers_choice_are_shown_escaped_and_never_run() -> None:
    """An unknown client, a server with unusual names, and the explanations for both."""
    evil = identities.root(EVIL[:60])
    who = pki.leaf(evil, EVIL[:60], alternatives=(), usage=("clientAuth",), **identities.SPAN)
    harmless(talk(identities.client_config(who)).servers)
    harmless(talk(identities.client_config(who)).clients)
    strange = identities.server_config(client_anchors=TrustStore([evil.der]))
    harmless(talk(identities.client_config(identities.client()), strange).clients)
    host = pki.leaf(evil, "localhost", usage=("serverAuth",), **identities.SPAN)
    harmless(
        talk(
            identities.client_config(), identities.server_config(credentials=identities.credentials(host))
        ).clients
    )


texts = st.one_of(st.text(max_size=80), st.just(EVIL))
chains = st.lists(
    st.one_of(st.binary(max_size=80), st.sampled_from(identities.client().chain)), max_size=5
).map(tuple)
codes = st.lists(st.integers(0, 0xFFFF), max_size=6).map(tuple)
offers = st.builds(
    HelloOffer,
    codes,
    codes,
    codes,
    codes,
    st.lists(st.binary(max_size=9), max_size=3).map(tuple),
    st.none() | texts,
)
requests = st.builds(AcceptedCertificates, codes, st.lists(st.binary(max_size=60), max_size=4).map(tuple))
messages = st.lists(
    st.sampled_from(["ServerHello", "Certificate", "Finished", "ClientHello"]), max_size=4
).map(tuple)
seen = st.builds(
    Observed,
    sent=messages,
    received=messages,
    version=st.none() | st.integers(0, 0xFFFF),
    offer=st.none() | offers,
    request=st.none() | requests,
    shown=st.none() | st.just(tuple(identities.client().chain)) | st.just(()),
    chain=st.none() | chains,
    data=st.booleans(),
    progress=st.sampled_from(Progress),
)
sides = st.sampled_from(
    [
        OwnSide.of(identities.client_config(identities.client()), "localhost", address="localhost:1"),
        OwnSide.of(identities.server_config()),
        OwnSide(Role.CLIENT),
        OwnSide(Role.SERVER),
    ]
)
progresses = st.sampled_from(Progress)
steps = st.sampled_from([None, *StepId])


@given(sides, seen, st.integers(0, 255), steps, progresses)
def test_any_alert_in_any_situation_is_explained(
    ours: OwnSide, what: Observed, alert: int, step: StepId | None, progress: Progress
) -> None:
    error = PeerAlert(alert, step=step, peer=ours.role.peer, progress=progress)
    harmless(explain(error, Situation(ours, what)))


facts = st.fixed_dictionaries({}, optional=dict.fromkeys(
    ("issuer", "got", "wanted", "name", "problem", "offered", "accepted", "start", "limit"),
    texts | st.binary(max_size=9) | st.lists(texts, max_size=3) | st.none(),
))  # fmt: skip


@given(sides, seen, st.sampled_from(Fault), facts, steps, progresses, texts)
def test_any_fault_in_any_situation_is_explained(
    ours: OwnSide,
    what: Observed,
    fault: Fault,
    found: dict[str, Any],
    step: StepId | None,
    progress: Progress,
    subject: str,
) -> None:
    reasons = (Reason(fault, 0, subject, found),) if fault.check is not None else ()
    error = PeerFault(fault, step=step, peer=ours.role.peer, progress=progress, facts=found, reasons=reasons)
    harmless(explain(error, Situation(ours, what)))


@given(
    sides,
    seen,
    st.sampled_from([b"", b"HTTP/1.1 403 ", b"HTTP/1.1 400 ", b"E\0\0\0\x10M"]),
    st.binary(max_size=200),
)
def test_any_reply_of_a_service_is_explained(
    ours: OwnSide, what: Observed, start: bytes, rest: bytes
) -> None:
    answer = start + rest.replace(b"\n", b"authentication failed for user \x1b")
    found = explain_answer(answer, Situation(ours, what))
    if found is not None:
        harmless(found)
