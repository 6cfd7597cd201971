"""The table of protocols."""

from __future__ import annotations

import subprocess

import pytest

from bothways.diagnosis.peer.before_tls import NAMES, PORTS
from bothways.errors import UsageError
from bothways.starttls import ALIASES, PROTOCOLS, protocol_named
from interop.peers import find
from starttls.conversations import TURNS


def test_a_protocol_is_found_by_its_name_in_any_case_and_by_its_aliases():
    """As people call it."""
    assert protocol_named("SMTP") is PROTOCOLS["smtp"]
    assert protocol_named("PostgreSQL") is PROTOCOLS["postgres"]
    assert {protocol_named(each).name for each in ALIASES} <= set(PROTOCOLS)


def test_an_unknown_protocol_is_reported_with_the_known_ones():
    with pytest.raises(UsageError, match="no protocol 'gopher' for STARTTLS; there are smtp, "):
        protocol_named("gopher")


def test_every_protocol_has_a_conversation_that_turns_to_tls():
    assert {each.protocol for each in TURNS} == set(PROTOCOLS)


def test_whatever_an_explanation_names_can_be_asked_for():
    """A `try:` line names no protocol that the option does not know."""
    assert {*NAMES.values(), *(name for _, name, _ in PORTS.values())} - {""} <= set(PROTOCOLS)
    assert {name for _, name, _ in PORTS.values() if name} >= set(PROTOCOLS) - {"lmtp"}


@pytest.mark.interop
def test_names_are_those_of_openssl():
    """So that what is learned of one command holds for the other, and for the commands that we print."""
    helped = subprocess.run(
        [find("openssl"), "s_client", "-starttls", "nothing"], capture_output=True, text=True, check=False
    )
    known = set(helped.stderr.replace(",", " ").split())
    assert set(PROTOCOLS) <= known, helped.stderr
