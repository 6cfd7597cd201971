"""The curves of judging: what is measured judges, and what is drawn says so."""

from __future__ import annotations

from xml.etree import ElementTree

from bench import curves, serving_curves
from bench.curves import PICTURE, Curve, draw
from bench.measure import Contender
from bothways.trust import Refused, Trusted
from pki import leaf, root


def test_a_curve_keeps_the_sizes_at_which_it_refuses() -> None:
    """A judgement that ends early is no fast one."""
    ca, other = root("One"), root("Another")
    curve = Curve("anything", "anchors")
    for size, trusted, verdict in ((1, ca, Trusted), (2, other, Refused)):
        judge = curves.judging(leaf(ca), [trusted.der])
        assert isinstance(judge(), verdict)
        curve.add(size, judge)
    assert curve.refused == {2} and [size for size, _ in curve.points] == [1, 2]


def test_every_point_is_drawn_with_its_time_and_its_refusal() -> None:
    """Well-formed SVG, with text that is escaped."""
    points = [
        (size, Contender(f"{size}", lambda: None, times=[time])) for size, time in ((1, 90.0), (100, 4_200.0))
    ]
    picture = draw([Curve("one & other", "anchors", points, refused={100})])
    texts = [each.text for each in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert {"one & other", "90 us", "4.2 ms", "refused", "anchors", "10 us", "10 ms"} <= set(texts)


def test_the_picture_of_the_guide_has_every_curve() -> None:
    """docs/benchmarks.md says a sentence about each."""
    picture, guide = PICTURE.read_text(), (PICTURE.parents[1] / "benchmarks.md").read_text()
    for title, words in (
        ("Anchors, each of another name", "Anchors with different names"),
        (
            "Anchors of one name, the key named",
            "Anchors with one name, and a key identifier in the certificate",
        ),
        ("Anchors of one name, no key named", "Anchors with one name, and no key identifier"),
        ("Path, every signature checked", "Path"),
        ("CRL at hand", "CRL in memory"),
    ):
        assert title in picture and f"* **{words}**" in guide


def test_the_picture_of_serving_has_every_curve() -> None:
    """docs/benchmarks.md says a sentence about each."""
    guide = (PICTURE.parents[1] / "benchmarks.md").read_text()
    for title in (
        "A ClientHello to a server of many names",
        "Rules about one kind each",
        "Rules about two kinds each",
        "A request beside idle connections",
    ):
        assert title in serving_curves.PICTURE.read_text() and f"* **{title}**" in guide
