"""The ground values: each party has another, each version its name, each step its phase."""

from __future__ import annotations

import pytest

from bothways.iana import ProtocolVersion
from bothways.roles import Role, Version


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
