"""The ground values: each party has another, each version its name, each step its phase."""

from __future__ import annotations

import json

import pytest

from bothways.iana import ProtocolVersion
from bothways.roles import Phase, Role, StepId, Version


@pytest.mark.parametrize("role", Role)
def test_each_party_is_the_other_of_its_other(role: Role) -> None:
    """There are two parties, and errors name the other one as the peer."""
    assert role.other is not role
    assert role.other.other is role
    assert role.peer == role.other.value


def test_versions_have_the_codes_of_the_registry_and_the_names_of_people() -> None:
    """RFC 9846 4.2.2 and RFC 5246 7.4.1.2: what stands on the wire, and what a configuration says."""
    assert {each: each.text for each in Version} == {
        ProtocolVersion.TLSv1_2: "1.2",
        ProtocolVersion.TLSv1_3: "1.3",
    }
    assert Version(0x0304) is Version.TLS13 is max(Version)


def test_each_step_belongs_to_the_phase_that_its_id_begins_with() -> None:
    """The ids are the project's own, and stand in files and logs: a step is its text, and knows where it belongs."""
    for step in StepId:
        assert step.phase == step.value[0]
        assert StepId(step.value) is step and f"{step}" == step.value == json.loads(json.dumps(step))
    assert {step.phase for step in StepId} == set(Phase)
    assert sorted(Phase) == list(Phase)


def test_a_verdict_has_three_parts_and_no_other() -> None:
    """Path and name, validity, revocation: of the server (2.3) and of the client (3.3)."""
    for verdict, parts in (
        (StepId.SERVER_VERDICT, [StepId.SERVER_PATH, StepId.SERVER_VALIDITY, StepId.SERVER_REVOCATION]),
        (StepId.CLIENT_VERDICT, [StepId.CLIENT_PATH, StepId.CLIENT_VALIDITY, StepId.CLIENT_REVOCATION]),
    ):
        assert [verdict.part(letter) for letter in "abc"] == parts
        with pytest.raises(ValueError, match="not a valid StepId"):
            verdict.part("d")
