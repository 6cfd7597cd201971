"""The ground values: each party has another, each version its name, each step its phase."""

from __future__ import annotations

import pytest

from bothways.roles import Role


@pytest.mark.parametrize("role", Role)
def test_each_party_is_the_other_of_its_other(role: Role) -> None:
    """There are two parties, and errors name the other one as the peer."""
    assert role.other is not role
    assert role.other.other is role
    assert role.peer == role.other.value
