"""What a ladder is called."""

from __future__ import annotations

from dataclasses import replace

from bothways.ladder.model import agreed, headline, other
from explain_talks import ladder_of


def test_the_headline_has_the_outcome():
    """Mutual, one-way, failed and where, or cut off."""
    ladder = ladder_of()
    assert headline(ladder) == "A mutual handshake"
    assert agreed(ladder) == "TLS 1.3, TLS_AES_128_GCM_SHA256, x25519"
    assert headline(ladder_of(server={"client_anchors": None}, who=False)) == "A one-way handshake"
    failed = ladder_of("elsewhere.example")
    assert headline(failed) == "A handshake that failed at step 2.3a"
    nowhere = replace(failed.failures[0], step="")
    assert headline(replace(failed, failures=(nowhere,))) == "A handshake that failed"
    assert headline(replace(ladder, outcome="unfinished")) == "A handshake that did not finish"


def test_other_side_of_client_is_server():
    """Two lifelines."""
    assert (other("client"), other("server")) == ("server", "client")
