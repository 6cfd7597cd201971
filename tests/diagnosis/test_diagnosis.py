"""The order and the text of causes; text of a peer is never part of a command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from string import Formatter

import pytest

import bothways.diagnosis
from bothways.diagnosis import Cause, Explanation, Likely, Party, Weight, facts_of
from bothways.diagnosis.diagnosis import OWN_FACTS, ranked
from bothways.diagnosis.situation import OF_SYSTEM

OURS, PEERS = Party.OURS, Party.PEERS


def likely(cause: Cause, weight: Weight = Weight.POSSIBLE, party: Party = OURS, **facts: object) -> Likely:
    return Likely(cause, party, weight, "we looked" if weight > Weight.POSSIBLE else "", facts)


def test_causes_are_ordered_by_evidence_and_then_by_frequency() -> None:
    found = ranked(
        [
            likely(Cause.WEAK_KEY),
            likely(Cause.EXPIRED, Weight.LIKELY),
            likely(Cause.REVOKED, Weight.LIKELY),
            likely(Cause.UNREADABLE, Weight.CERTAIN),
        ]
    )
    assert [each.cause.name for each in found] == ["UNREADABLE", "EXPIRED", "REVOKED", "WEAK_KEY"]


def test_a_cause_occurs_once_for_each_side_with_its_best_evidence() -> None:
    found = ranked(
        [
            likely(Cause.EXPIRED),
            likely(Cause.EXPIRED, party=PEERS),
            likely(Cause.EXPIRED, Weight.LIKELY),
        ]
    )
    assert [(each.party, each.weight) for each in found] == [(OURS, Weight.LIKELY), (PEERS, Weight.POSSIBLE)]


def test_two_faults_with_one_cause_in_the_same_words_are_told_once() -> None:
    """As of an issuer that is no CA, and whose key may not sign certificates."""
    found = [replace(likely(Cause.NOT_A_CA, issuer=name), order=at) for at, name in enumerate("aab")]
    assert [(each.order, each.facts["issuer"]) for each in ranked(found)] == [(0, "a"), (2, "b")]


def test_lines_have_cause_evidence_and_what_to_do() -> None:
    facts: dict[str, object] = {
        "subject": "our certificate",
        "date": "2026-01-03",
        "cert": "my cert.pem",
        "peer": "server",
        "whose": "our",
        "issuer": "CN=A",
    }
    found = Explanation(
        "the server refused us", "it did not like it", (likely(Cause.EXPIRED, Weight.CERTAIN, **facts),)
    )
    assert found.lines() == [
        "That means: it did not like it",
        "Cause:",
        "  our certificate expired on 2026-01-03",
        "  seen: we looked",
        "  ask:  have the CA issue a new one",
    ]
    chain = Explanation("", "", (likely(Cause.INTERMEDIATE_MISSING, Weight.CERTAIN, **facts),))
    assert chain.lines()[-2:] == [
        "  do:   append its certificate to the file of our certificate",
        "  try:  (openssl x509 -in 'my cert.pem'; openssl x509 -in INTERMEDIATE) > chain.pem",
    ]
    assert str(found).splitlines()[0] == "the server refused us."


def test_several_causes_are_numbered_and_the_rest_is_left_out() -> None:
    causes = tuple(likely(each) for each in list(Cause)[:8])
    lines = Explanation("x", "", causes).lines(60)
    assert lines[0] == "Likely causes, the most likely first:"
    assert [line[:4] for line in lines if line[2:3].isdigit()] == ["  1.", "  2.", "  3.", "  4.", "  5."]
    assert all(len(line) <= 60 or "try:" in line for line in lines)


def test_a_likely_cause_leaves_room_for_two_more() -> None:
    """Alerts often have two other meanings that cannot be distinguished on the wire."""
    causes = (likely(Cause.EXPIRED, Weight.LIKELY), *(likely(each) for each in list(Cause)[:5]))
    assert len(Explanation("x", "", causes).shown_causes) == 3


def test_a_certain_cause_leaves_no_room_for_guesses() -> None:
    causes = (likely(Cause.EXPIRED, Weight.CERTAIN), likely(Cause.OUR_CLOCK))
    assert "Cause:" in Explanation("x", "", causes).lines()


def test_of_several_faults_a_cause_that_is_not_certain_is_marked() -> None:
    """Only what was verified stands without a mark in a list of what has to be corrected."""
    certain = Likely(Cause.EXPIRED, Party.PEERS, Weight.CERTAIN)
    other = Likely(Cause.CA_NOT_ACCEPTED, Party.PEERS, Weight.LIKELY, order=1)
    lines = Explanation("it failed", "", (certain, other)).lines()
    assert lines[0] == "Causes, in the order in which to correct them:"
    assert lines[1].startswith(f"  1. {certain.text[:20]}")
    assert any(each.startswith(f"  2. likely: {other.text[:20]}") for each in lines)
    both = Explanation(
        "it failed", "", (certain, Likely(Cause.WRONG_NAME, Party.PEERS, Weight.CERTAIN, order=1))
    )
    assert both.lines()[0] == "Causes, each to be corrected, in this order:"


@pytest.mark.parametrize(
    ("suites", "is_kept"),
    [
        ("TLS_AES_128_GCM_SHA256,TLS_AES_256_GCM_SHA384", False),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", False),
        ("TLS_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", True),
    ],
)
def test_a_command_for_another_version_leaves_out_suites_of_one_version_alone(
    suites: str, is_kept: bool
) -> None:
    """With them the version that is missing would not be offered again."""
    facts = {"target": "a:1", "ca": "CA", "given_options": (("--tls", "1.3"), ("--suites", suites))}
    ours = likely(Cause.NO_SHARED_VERSION, party=OURS, **facts).command
    assert "--tls" not in ours and (suites in ours) is is_kept
    assert suites in likely(Cause.NO_SHARED_GROUP, party=OURS, **facts).command


def test_text_of_a_peer_is_escaped() -> None:
    evil = "CN=\x1b[31m\u202e\n`id`"
    text = likely(Cause.ROOT_NOT_TRUSTED, issuer=evil, whose="the server's", other="our side").text
    assert "\x1b" not in text and "\u202e" not in text and "\n" not in text


def test_a_command_contains_only_our_own_text_quoted() -> None:
    facts = {"cert": "$(id).pem", "ca": "a b", "target": "host;id:1", "host": "host;id", "issuer": "`id`"}
    for cause in Cause:
        for party in Party:
            command = likely(cause, party=party, **facts).command
            assert "`id`" not in command
            for raw in ("$(id).pem", "a b", "host;id:1"):
                assert command.replace(f"'{raw}'", "").count(raw) == 0


def test_an_incomplete_command_is_not_given() -> None:
    assert likely(Cause.ONLY_KEY_TRANSPORT, ca="CA").command == ""
    assert likely(Cause.ONLY_KEY_TRANSPORT, ca="CA", target="a:1").command == ""
    assert likely(Cause.ONLY_KEY_TRANSPORT, ca="CA", target="a:1", classic="--classic").command == (
        "bothways connect a:1 --ca CA --tls 1.2 --classic"
    )


def test_a_command_keeps_the_options_by_which_we_connected() -> None:
    facts = {
        "target": "a:1",
        "ca": "CA",
        "given_starttls": "mysql",
        "given_name": "b c",
        "given_alpn": "h2,{x}",
    }
    assert likely(Cause.NO_CERTIFICATE, party=OURS, **facts).command == (
        "bothways connect a:1 --starttls mysql --name 'b c' --alpn h2 --alpn '{x}' --ca CA --cert CERT --key KEY"
    )
    named = likely(Cause.WRONG_NAME, party=PEERS, **facts).command
    assert named == "bothways connect a:1 --starttls mysql --alpn h2 --alpn '{x}' --ca CA --name NAME"


KEPT = (
    ("--password-file", "pass word"), ("--crl", "a.crl"), ("--crl", "b.crl"), ("--fetch",), ("--classic",),
    ("--profile", "web"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("cause", "party", "kept"),
    [
        (
            Cause.WRONG_NAME,
            PEERS,
            "--password-file 'pass word' --crl a.crl --crl b.crl --fetch --classic --profile web",
        ),
        (Cause.NO_CERTIFICATE, OURS, "--crl a.crl --crl b.crl --fetch --classic --profile web"),
        (
            Cause.STATUS_UNKNOWN,
            OURS,
            "--password-file 'pass word' --crl a.crl --crl b.crl --fetch --classic --profile web",
        ),
        (
            Cause.FETCH_NOT_ALLOWED,
            OURS,
            "--password-file 'pass word' --crl a.crl --crl b.crl --classic --profile web",
        ),
    ],
)
def test_a_command_verifies_no_less_than_we_did(cause: Cause, party: Party, kept: str) -> None:
    """Revocation, profile and password stay; the password is not that of another identity."""
    command = likely(cause, party=party, target="a:1", ca="CA", given_options=KEPT).command
    assert command.startswith(f"bothways connect a:1 {kept} --ca CA "), command


def test_the_certificate_of_pkcs12_is_not_copied_by_a_command_for_pem() -> None:
    assert likely(Cause.INTERMEDIATE_MISSING, party=OURS, cert="me.pem").command.startswith(
        "(openssl x509 -in me.pem"
    )
    assert likely(Cause.INTERMEDIATE_MISSING, party=OURS, cert="me.P12").command == ""


def test_a_command_names_no_file_where_the_anchors_of_the_system_were_used() -> None:
    found = likely(Cause.WRONG_NAME, party=PEERS, target="a:1", ca=OF_SYSTEM)
    assert found.command == "bothways connect a:1 --name NAME"
    assert (
        "to the trust anchors of this system"
        in likely(Cause.ROOT_NOT_TRUSTED, party=PEERS, ca=OF_SYSTEM, anchors=OF_SYSTEM).remedy
    )


def test_the_facts_are_values_for_json() -> None:
    found = facts_of(
        Explanation("it failed", "", (likely(Cause.EXPIRED, subject="our certificate", date="now"),))
    )
    assert json.loads(json.dumps(found))["causes"][0]["cause"] == "EXPIRED"


def test_every_cause_is_named_by_some_rule() -> None:
    """An unused row is deleted."""
    folder = Path(bothways.diagnosis.__file__).parent
    rules = "".join(path.read_text("utf-8") for path in folder.rglob("*.py") if path.name != "table.py")
    assert [cause.name for cause in Cause if f"Cause.{cause.name}" not in rules] == []


def test_every_blank_of_the_table_has_a_fact() -> None:
    """Those that `Case.likely` gives to all, and those that a rule gives."""
    known = {"peer", "whose", "who", "other", "address", "host", "target", "name", "cert", "key", "ca", "now"}
    known |= {"detail", "subject", "date", "issuer", "got", "wanted", "usage", "problem"}
    known |= {"port", "offer", "starttls", "protocol", "later", "by", "also", "source", "classic", "groups"}
    known |= {"required_by", "forwards", "forwarder", "refused", "during"}
    known |= {
        "lasting",
        "naming",
        "pins",
        "fitting",
        "getting",
        "offering",
        "undecoded",
        "mending",
        "sharing",
        "speaking",
        "enabling",
        "beginning",
        "another_key",
        "silence",
        "looking",
        "cut",
        "cutting",
        "comparing",
        "requesting",
        "failing",
        "using",
        "opening",
        "instead",
        "anchors",
        "longer",
        "succeeded",
    }
    for cause in Cause:
        row = cause.value
        for text in row:
            assert {name for _, name, _, _ in Formatter().parse(text) if name} <= known, cause.name
        commands = {name for text in row[3:5] for _, name, _, _ in Formatter().parse(text) if name}
        assert commands <= set(OWN_FACTS), cause.name
