"""The steps by their ids."""

from __future__ import annotations

from bothways.describe.steps import PHASES, STEPS
from bothways.roles import StepId
from bothways.tls.handshake.steps import LEGAL, MESSAGE_IDS


def test_the_ids_are_those_of_the_design_in_their_order():
    """The table."""
    ids = "1.1 1.2 2.1 2.2 2.3a 2.3b 2.3c 2.4 2.5 3.1 3.2 3.3a 3.3b 3.3c 3.4 4.1 4.2 4.3"
    assert list(STEPS) == ids.split()


def test_every_step_has_a_phase_and_an_actor():
    """Four phases; who acts is one side or both."""
    assert {step.phase for step in STEPS.values()} == set(PHASES.values())
    assert {step.actor for step in STEPS.values()} == {"client", "server", "both"}


def test_every_id_that_the_engine_uses_is_known_here():
    """Errors, ladder and demo say the same thing."""
    used = {rule.id for rules in LEGAL.values() for rule in rules.values()}
    used |= {step for ids in MESSAGE_IDS.values() for step in ids}
    known = {*STEPS, StepId.SERVER_VERDICT, StepId.CLIENT_VERDICT}
    assert used <= known
