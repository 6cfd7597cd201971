"""The table as data: ids, words and faults of each row."""

from __future__ import annotations

import re

import pytest

from bothways.faults import Check, Fault
from bothways.iana import HandshakeType
from bothways.roles import Role
from bothways.tls.handshake.steps import LEGAL, MESSAGE_IDS, Step, failed_check, message_ids

ID = re.compile(r"[1-4]\.[1-5][abc]?")


@pytest.mark.parametrize("role", Role)
def test_every_fault_at_every_step_has_an_id(role: Role) -> None:
    """An error names the check that failed."""
    for step in LEGAL[role]:
        for fault in Fault:
            assert ID.fullmatch(failed_check(role, step, fault)), f"{step.name}, {fault.name}"


def test_certificate_faults_have_the_letter_of_their_check() -> None:
    """By the role that judges."""
    for fault in Fault:
        if isinstance(fault.check, Check):
            assert failed_check(Role.CLIENT, Step.JUDGING, fault) == "2.3" + fault.check.letter
            assert failed_check(Role.SERVER, Step.JUDGING, fault) == "3.3" + fault.check.letter


def test_choices_that_fail_have_the_id_of_the_choice() -> None:
    """The server chooses, and the step that it waits at says less."""
    for fault in (Fault.NO_SHARED_GROUP, Fault.UNSUPPORTED_VERSION, Fault.UNKNOWN_SERVER_NAME):
        assert failed_check(Role.SERVER, Step.WAIT_CH, fault) == "1.2"
    assert failed_check(Role.SERVER, Step.WAIT_CH, Fault.BAD_SHARE) == "2.4"
    assert failed_check(Role.SERVER, Step.WAIT_CH, Fault.UNDECODABLE) == "1.1"


def test_messages_after_the_handshake_belong_to_step_4_3() -> None:
    """What is not in the table of ids."""
    for code in (HandshakeType.key_update, HandshakeType.new_session_ticket):
        assert message_ids(Role.SERVER, code) == ("4.3",)
    assert message_ids(Role.CLIENT, HandshakeType.client_hello) == ("1.1", "2.4")
    assert all(ID.fullmatch(each) for ids in MESSAGE_IDS.values() for each in ids)
