"""Seeded mutation of DER by its elements: what comes out is well-formed outside, and wrong somewhere inside.

Tags are changed, values cut, drawn anew or taken from elsewhere, elements doubled, dropped and put in another
order; lengths that enclose them are right, but for those that are made wrong.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pki import der

TAGS = (
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0A, 0x0C, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1A, 0x1B, 0x1C, 0x1E,
    0x30, 0x31, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xBF,
)  # fmt: skip
VALUES = (
    b"", b"\0", b"\x01", b"\x7f", b"\x80", b"\xff", b"\x17", bytes(2), b"\x80\0", b"\xff" * 9, b"\x7f" + b"\xff" * 20,
    b"250230000000Z", b"20250101000000Z", b"99991231235959Z", b"00000101000000Z", b"250101000000+0100", b"a.example",
    b"*.example", b"\xc3\xbc", b"\xff\xfe", b"\0\xd8\0\0", b"http://a.example/crl", b"\x2a\x03", b"\x2a" + b"\xff" * 70,
)  # fmt: skip
# What is taken apart further: extension values and signatures of bits hold DER too.
_CONSTRUCTED, _OCTETS, _BITS = 0x20, 0x04, 0x03
_DEEPEST = 24


@dataclass
class Node:
    """One element: its tag, and either a value or elements within. `padding` stands before those."""

    tag: int
    value: bytes = b""
    children: list[Node] | None = None
    padding: bytes = b""
    wrong_length: int = 0

    def encode(self) -> bytes:
        """Return the element with right lengths, except where one was made wrong."""
        content = (
            self.value if self.children is None else self.padding + b"".join(map(Node.encode, self.children))
        )
        encoded = der(self.tag, content)
        return bytes((encoded[0], (encoded[1] + self.wrong_length) & 0xFF)) + encoded[2:]

    def all(self) -> Iterator[tuple[Node, Node | None]]:
        """Yield every element with the one that holds it."""
        waiting: list[tuple[Node, Node | None]] = [(self, None)]
        while waiting:
            node, above = waiting.pop()
            yield node, above
            waiting += [(each, node) for each in node.children or ()]


def parse(data: bytes) -> Node:
    """Take one element apart, whatever it is called; what is no DER stays a value."""
    found = _elements(data, 0)
    assert found is not None and len(found) == 1
    return found[0]


def _elements(data: bytes, depth: int) -> list[Node] | None:
    found, at = [], 0
    while at < len(data):
        if len(data) - at < 2 or data[at] & 0x1F == 0x1F or depth > _DEEPEST:
            return None
        size, start = data[at + 1], at + 2
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(data[at + 2 : start], "big")
        if not data[at] or start + size > len(data):
            return None
        found.append(_node(data[at], data[start : start + size], depth))
        at = start + size
    return found


def _node(tag: int, value: bytes, depth: int) -> Node:
    if tag & _CONSTRUCTED:
        children = _elements(value, depth + 1)
        return Node(tag, value) if children is None else Node(tag, b"", children)
    padding = b"\0" if tag == _BITS and value[:1] == b"\0" else b""
    if tag == _OCTETS or padding:
        children = _elements(value[len(padding) :], depth + 1)
        if children and _is_inside(children):
            return Node(tag, value, children, padding)
    return Node(tag, value)


def _is_inside(children: Sequence[Node]) -> bool:
    return len(children) == 1 and children[0].tag in TAGS


def mutant(seeds: Sequence[bytes], draws: random.Random) -> bytes:
    """Return one of the seeds with one to three changes."""
    node = parse(draws.choice(seeds))
    for _ in range(draws.choice((1, 1, 1, 2, 3))):
        _change(node, parse(draws.choice(seeds)), draws)
    return node.encode()


def _change(root: Node, other: Node, draws: random.Random) -> None:
    node, above = draws.choice(list(root.all()))
    siblings = above.children if above is not None and above.children is not None else [node]
    at = next(place for place, each in enumerate(siblings) if each is node)
    match draws.randrange(11):
        case 0:
            node.tag = draws.choice(TAGS)
        case 1:
            node.tag ^= draws.choice((0x20, 0x80, 0x01))
        case 2:
            node.value, node.children = draws.choice(VALUES), None
        case 3:
            node.value, node.children = _content(node)[: draws.randrange(1 + len(_content(node)))], None
        case 4:
            node.value, node.children = _content(node) + draws.choice(VALUES), None
        case 5:
            siblings.insert(at, _copy(node))
        case 6 if above is not None:
            del siblings[at]
        case 7 if len(siblings) > 1:
            place = draws.randrange(len(siblings))
            siblings[at], siblings[place] = siblings[place], siblings[at]
        case 8:
            taken = _copy(draws.choice(list(other.all()))[0])
            node.tag, node.value, node.children, node.padding = (
                taken.tag,
                taken.value,
                taken.children,
                taken.padding,
            )
        case 9:
            node.wrong_length = draws.choice((-1, 1, 2, 0x7F))
        case _:
            content = bytearray(_content(node) or b"\0")
            content[draws.randrange(len(content))] = draws.randrange(256)
            node.value, node.children = bytes(content), None


def _content(node: Node) -> bytes:
    return node.value if node.children is None else node.padding + b"".join(map(Node.encode, node.children))


def _copy(node: Node) -> Node:
    children = None if node.children is None else [_copy(each) for each in node.children]
    return Node(node.tag, node.value, children, node.padding)
