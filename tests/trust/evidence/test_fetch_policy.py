"""What may be fetched, from where, and how much: an impossible policy is refused when it is made."""

from __future__ import annotations

import sys
from datetime import timedelta
from ipaddress import ip_network

import pytest

from bothways.errors import ConfigError
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.evidence.http_exchange import MAX_RESPONSE_BYTES
from trust.evidence.evidence_requests import evidence_request


def test_by_default_responders_and_crls_at_global_addresses_are_used() -> None:
    """docs/defaults.md."""
    fetch = Fetch()
    assert (fetch.ocsp, fetch.crls, fetch.nonce, fetch.https) == (True, True, "use", False)
    assert (fetch.hosts, fetch.networks, fetch.directory) == (frozenset(), (), None)
    assert fetch.max_list_bytes == 4 * 1024 * 1024


def test_allowed_hosts_and_networks_are_distinguished() -> None:
    """An address is a network of one."""
    fetch = Fetch(allow=("PKI.inner", "10.0.0.0/8", "::1"))
    assert fetch.hosts == {"pki.inner"}
    assert fetch.networks == (ip_network("10.0.0.0/8"), ip_network("::1"))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"ocsp": False, "crls": False}, "one of ocsp and crls has to be True"),
        ({"crls": ("ca.crl",)}, "crls: expected True or False"),
        ({"nonce": "maybe"}, "none of none, use, require"),
        ({"ports": (0,)}, "1 to 65535"),
        ({"allow": "pki.inner"}, "single text"),
        ({"allow": ("http://pki.inner/",)}, "neither a host nor a network"),
        ({"allow": ("p\u212ai.inner",)}, "neither a host nor a network"),
        ({"allow": ("10.0.0.1/8",)}, "neither a host nor a network"),
        ({"keep": timedelta(seconds=-1)}, "keep"),
        ({"keep": timedelta.max}, "keep"),
        ({"seconds": 0}, "seconds"),
        ({"requests": 0}, "requests"),
        ({"max_list_bytes": 0}, "max_list_bytes"),
        ({"redirects": -1}, "redirects"),
    ],
)
def test_an_impossible_policy_is_refused_when_it_is_made(options: dict, problem: str) -> None:
    """ConfigError, never later."""
    with pytest.raises(ConfigError, match=problem):
        Fetch(**options)


def test_without_the_extra_a_policy_names_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The base install has `cryptography` only; a caller that fetches itself needs no more."""
    monkeypatch.setitem(sys.modules, "httpcore", None)  # as if it could not be imported
    with pytest.raises(ConfigError, match=r"pip install 'bothways\[fetch\]'"):
        Fetch()
    assert Fetch(by_caller=True).by_caller


def test_the_limit_of_crls_is_not_that_of_responses() -> None:
    fetch = Fetch(max_list_bytes=5000)
    assert fetch.limit(evidence_request("crl")) == 5000
    assert fetch.limit(evidence_request("ocsp")) == MAX_RESPONSE_BYTES != 5000


def test_each_policy_has_its_own_cache() -> None:
    """What one policy may fetch, another may not use."""
    assert Fetch().cache is not Fetch().cache
