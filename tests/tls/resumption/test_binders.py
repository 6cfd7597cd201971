"""Where the binders of a ClientHello stand."""

from __future__ import annotations

import json
from pathlib import Path

from bothways.tls.resumption.binders import binders_octets
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import decode_message

TRACES = Path(__file__).parents[2] / "vectors" / "rfc8448.json"


def test_the_list_and_each_binder_have_their_length() -> None:
    """RFC 9846 4.3.11: two bytes, and one for each."""
    identities = (ext.PskIdentity(b"one", 0), ext.PskIdentity(b"two", 0))
    assert binders_octets(ext.PreSharedKeys(identities, (bytes(32), bytes(48)))) == 2 + 33 + 49


def test_the_binder_in_the_trace_is_at_the_expected_position() -> None:
    """RFC 8448 4: what is left over at the end of its ClientHello."""
    record = bytes.fromhex(json.loads(TRACES.read_text())["sections"]["4"]["records"][0]["record"])
    length = int.from_bytes(record[6:9], "big")
    raw = record[5 : 9 + length]
    offered = ext.find(decode_message(1, raw[4:]).extensions, ext.PreSharedKeys)
    assert offered is not None
    assert raw[-binders_octets(offered) :] == b"\x00\x21\x20" + offered.binders[0]
