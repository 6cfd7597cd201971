"""How revocation is to be checked: an impossible policy is refused when it is made."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bothways.errors import ConfigError
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.revocation import PRESETS, Revocation
from pki import (
    NOW,
    crl,
    ocsp_response,
)
from trust.revocation.judging import (
    CA,
    CLEAN,
    SERVER,
)


def test_an_impossible_policy_is_a_config_error():
    """Said when the configuration is made."""
    store = CRLStore(map(CRL, CLEAN))
    for wrong in (
        {"covers": "all"},
        {"unknown": "ignore"},
        {"tolerance": timedelta(-1)},
        {"crls": [CLEAN[0]]},
        {"ocsp": []},
        {"staples": "required"},
    ):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            Revocation(**{"crls": store} | wrong)
    with pytest.raises(ConfigError, match="requires a source"):
        Revocation()


def test_presets_are_chosen_by_name_and_need_a_source():
    """--revocation require refuses without one."""
    store = CRLStore(map(CRL, CLEAN))
    assert Revocation.preset("require", store) == Revocation(crls=store)
    assert Revocation.preset("leaf", store).covers == "leaf"
    assert Revocation.preset("tolerant", store).unknown == "accept"
    assert list(PRESETS) == ["require", "leaf", "tolerant", "staple", "staple-leaf"]
    assert Revocation.preset("staple") == Revocation(staples="require")
    assert Revocation.preset("staple-leaf", store) == Revocation(crls=store, staples="require", covers="leaf")
    responses = OCSPStore([OCSPResponse(ocsp_response(SERVER))])
    assert Revocation.preset("require", None, responses) == Revocation(ocsp=responses)
    with pytest.raises(ConfigError, match="requires a source"):
        Revocation.preset("require", CRLStore())
    filled_later = CRLStore()
    assert Revocation.preset("staple-leaf", filled_later).crls is filled_later
    with pytest.raises(ConfigError, match="is not a preset"):
        Revocation.preset("strict", store)


def test_a_policy_shows_that_its_evidence_changed():
    """CRLs and responses; verdicts can be made again."""
    policy = Revocation(crls=CRLStore(map(CRL, CLEAN)), ocsp=OCSPStore())
    assert Revocation(staples="require").generation == 0
    seen = {policy.generation}
    policy.crls.add(CRL(crl(CA, SERVER, number=2, this_update=NOW)))
    seen.add(policy.generation)
    policy.ocsp.add(OCSPResponse(ocsp_response(SERVER)))
    seen.add(policy.generation)
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("options", "listed"),
    [
        ({"crls": True}, True),
        ({"fetch": Fetch(by_caller=True)}, True),
        ({"fetch": Fetch(by_caller=True, crls=False)}, False),
        ({"staples": "use"}, False),
    ],
)
def test_a_policy_has_the_number_of_certificates_that_crls_are_used_for(options, listed):
    """RFC 5280 4.2.1.13: their distribution points may be critical."""
    if "crls" in options:
        options = {"crls": CRLStore(map(CRL, CLEAN))}
    assert bool(Revocation(**options).listed) is listed
    assert Revocation(covers="leaf", **options).listed == int(listed)
