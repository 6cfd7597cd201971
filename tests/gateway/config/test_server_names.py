"""Routes that are found by a server name, without a look at all others."""

from __future__ import annotations

import random

from bothways.gateway.config.server_names import ByServerName, wildcard


def test_only_those_for_a_name_are_candidates_in_their_order() -> None:
    """However many there are for others."""
    by_name = ByServerName[int]()
    for place in range(1000):
        by_name.add([f"s{place}.example.com"], place)
    by_name.add(None, 1000)
    by_name.add(["*.example.com", "*.example.com", "s5.example.com"], 1001)
    by_name.add(["s5.example.com"], 1002)
    assert by_name.candidates("s5.example.com") == [5, 1000, 1001, 1002]
    assert by_name.candidates("other.example.com") == [1000, 1001]
    assert by_name.candidates("*.example.com") == [1000, 1001]
    for name in ("", "example.com", "a.b.example.com", "*"):
        assert by_name.candidates(name) == [1000]


def test_nobody_is_missed_that_a_look_at_all_would_find() -> None:
    drawn = random.Random(15)
    labels = ("a", "b", "*")
    for _ in range(300):
        items = [
            None
            if drawn.random() < 0.2
            else [f"{drawn.choice(labels)}.{drawn.choice('xy')}" for _ in range(drawn.randrange(1, 4))]
            for _ in range(8)
        ]
        by_name = ByServerName[int]()
        for place, names in enumerate(items):
            by_name.add(names, place)
        for name in ("a.x", "b.y", "c.x", "*.x", "a.z", ""):
            wanted = [
                place
                for place, names in enumerate(items)
                if names is None or name in names or wildcard(name) in names
            ]
            assert by_name.candidates(name) == wanted
