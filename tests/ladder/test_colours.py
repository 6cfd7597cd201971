"""Contrast of the drawn ladders, computed from their colours (WCAG 2.2, 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re

import pytest

from bothways.ladder.colours import DARK, GROUNDS, KEYS, LIGHT, LINES, OUTCOMES, PAIRS, SIGNS, variables
from bothways.ladder.html import STYLE as PAGE_STYLE
from bothways.ladder.svg import STYLE as SVG_STYLE
from bothways.trust.verdict import Outcome


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_sufficient_contrast(scheme):
    """4.5 to 1 for text of any size, 3 to 1 for lines that mean something."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    low = [(*pair, ratio) for pair in PAIRS if (ratio := contrast(*(scheme[each] for each in pair))) < 4.5]
    low += [(*pair, ratio) for pair in LINES if (ratio := contrast(*(scheme[each] for each in pair))) < 3]
    assert not low


@pytest.mark.parametrize("style", [PAGE_STYLE, SVG_STYLE], ids=["page", "svg"])
def test_styles_use_these_colours_and_no_others(style):
    """Every colour is one of the scheme's, and light and dark have the same names."""
    assert LIGHT.keys() == DARK.keys()
    used = set(re.findall(r"var\(--([a-z]+)\)", style)) - {"g"}
    assert used <= LIGHT.keys()
    rest = style.replace(variables(LIGHT), "").replace(variables(DARK), "")
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(", rest)
    assert "prefers-color-scheme:dark" in style


def test_text_colours_are_checked_on_every_background():
    """What fills or colours text in a style is among the pairs."""
    for style in (PAGE_STYLE, SVG_STYLE):
        texts = set(re.findall(r"[;{](?:color|fill):var\(--([a-z]+)\)", style))
        grounds = set(re.findall(r"[;{]background:var\(--([a-z]+)\)", style))
        assert texts - {"paper", "band", "card", "alarm"} <= {text for text, _ in PAIRS}
        assert grounds <= {*GROUNDS, "alarm"}


def test_each_outcome_and_each_kind_of_keys_has_its_sign():
    """Nothing is said by colour alone."""
    assert OUTCOMES.keys() == SIGNS.keys() == {each.value for each in Outcome}
    assert len(set(SIGNS.values())) == len(SIGNS)
    assert len(set(KEYS.values())) == 3
