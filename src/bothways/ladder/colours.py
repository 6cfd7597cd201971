"""The colours of ladder diagrams, light and dark, each with a meaning, and their backgrounds.

Keys and outcomes have colours, and each is also shown by a shape or a word.
"""

from __future__ import annotations

LIGHT = {
    "paper": "#fcfbf8",
    "band": "#f3f0e8",
    "card": "#ffffff",
    "ink": "#1d1c21",
    "soft": "#55535e",
    "edge": "#d8d3c7",
    "life": "#85818c",
    "plain": "#8a5200",
    "handshake": "#6a3bb5",
    "application": "#0a5f9e",
    "passed": "#1b6b38",
    "failed": "#ab1420",
    "skipped": "#5d5a66",
    "alarm": "#fdeceb",
}
DARK = {
    "paper": "#14151a",
    "band": "#1b1d24",
    "card": "#20222a",
    "ink": "#ecebe6",
    "soft": "#adabb8",
    "edge": "#3a3d49",
    "life": "#757381",
    "plain": "#e2a94c",
    "handshake": "#bda3f7",
    "application": "#74baf3",
    "passed": "#74d192",
    "failed": "#ff948b",
    "skipped": "#b0aebb",
    "alarm": "#3b1b1e",
}

GROUNDS = ("paper", "band", "card")
TEXTS = ("ink", "soft", "plain", "handshake", "application", "passed", "failed", "skipped")
PAIRS = (  # of text or of a line with a meaning, and its background
    *((text, ground) for text in TEXTS for ground in GROUNDS),
    ("ink", "alarm"),
    ("soft", "alarm"),
    ("failed", "alarm"),
)
LINES = tuple(("life", ground) for ground in GROUNDS)

KEYS = {"plaintext": "plain", "handshake keys": "handshake", "application keys": "application"}
UNDER = {
    "plaintext": "in the clear",
    "handshake keys": "under handshake keys",
    "application keys": "under application keys",
}
OUTCOMES = {"passed": "passed", "failed": "failed", "not checked": "skipped", "unknown": "skipped"}
SIGNS = {"passed": "✓", "failed": "✗", "not checked": "–", "unknown": "?"}


def variables(colours: dict[str, str]) -> str:
    """Return colours as the custom properties of a style sheet."""
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())
