"""What all generated pages share: colours, content security policy, certificates, and embedded JSON.

A page is self-contained: no script, no network; light and dark, for screen, phone and paper.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence

from bothways.describe.escape import markup
from bothways.ladder.colours import DARK, LIGHT, variables
from bothways.ladder.model import Card

TEXT_LIMIT = 4096
LESS = "\\u003c"  # how JSON in a page encodes what could end its element

BASE = (
    f":root{{color-scheme:light dark;{variables(LIGHT)}}}"
    f"@media (prefers-color-scheme:dark){{:root{{{variables(DARK)}}}}}"
    f"@media print{{:root{{color-scheme:light;{variables(LIGHT)}}}}}"
    """
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1rem 3rem;max-width:62rem;background:var(--paper);color:var(--ink);
font:1rem/1.5 system-ui,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.25;margin:0}
h2{font-size:1.05rem;line-height:1.3;margin:0}
h3{font-size:1rem;margin:0}
a{color:inherit}
dd{margin:0;min-width:0}
:focus-visible{outline:3px solid var(--application);outline-offset:2px;border-radius:4px}
.sr{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.skip{position:absolute;left:-999rem}
.skip:focus{left:1rem;top:.5rem;background:var(--card);padding:.4rem .8rem;z-index:3}
.agreed{margin:.3rem 0 0;color:var(--soft)}
.done{color:var(--passed)}.failed{color:var(--failed)}.skipped{color:var(--skipped)}
.after{margin-top:2rem}
.after>h2{margin-bottom:.7rem;font-size:1.2rem}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem}
.card{padding:.9rem 1.1rem;border:1px solid var(--edge);border-top:.4rem solid var(--application);
border-radius:.5rem;background:var(--card);font-size:.9rem}
.card:target{outline:3px solid var(--application)}
.card p{margin:0 0 .5rem;color:var(--soft)}
.card dl{display:grid;grid-template-columns:8.5rem 1fr;gap:.15rem 1rem;margin:0}
.card dt{color:var(--soft)}
.card dd{grid-column:2}
.card h3{font-size:1.05rem}
@media (max-width:40rem){
body{padding:1rem .6rem 2rem}
h1{font-size:1.35rem}
.card dl{grid-template-columns:1fr;gap:0}
.card dd{grid-column:1;margin-bottom:.3rem}
}
@media print{
body{max-width:none;padding:0;font-size:10pt;background:none}
.cards{grid-template-columns:1fr 1fr}
.skip{display:none}
.card{break-inside:avoid}
.after>h2{break-after:avoid}
}
"""
)

# Of pages that begin with a verdict and go on in sections of rows.
REPORT = """
.verdict{margin:1rem 0 0;padding:.9rem 1.1rem;border:1px solid var(--passed);border-left-width:.5rem;
border-radius:.5rem;background:var(--card)}
.verdict.bad{border-color:var(--failed);background:var(--alarm)}
.verdict p{margin:0}
.verdict ul{margin:.5rem 0 0;padding-left:1.2rem}
.section{margin-top:1.6rem;padding:.9rem 1.1rem 1rem;border:1px solid var(--edge);border-radius:.5rem;
background:var(--card)}
.rows>li+li{border-top:1px solid var(--edge)}
.foot{margin-top:2rem;color:var(--soft);font-size:.85rem}
"""


def policy(style: str) -> str:
    """Return the content security policy of a page: its one style sheet by its digest, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def document(title: str, style: str, body: str, island: str, json: str) -> str:
    """Return a whole page.

    style: its style sheet.  island: the opening tag of the element that contains `json`.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy(style)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{escaped(title)}</title><style>{style}</style></head>\n<body>{body}\n"
        f"{island}{json.replace('<', LESS)}</script>\n</body></html>\n"
    )


def escaped(text: str) -> str:
    """Return a text of any origin escaped for a page."""
    return markup(text, TEXT_LIMIT)


def card_parts(cards: Sequence[Card], title: str) -> Iterator[str]:
    """Yield certificates as cards, each with an id by its index; nothing where there are none."""
    if not cards:
        return
    yield f'<section class="after" aria-labelledby="certificates"><h2 id="certificates">{escaped(title)}</h2>'
    yield '<div class="cards">'
    for place, card in enumerate(cards, 1):
        yield _card(card, place)
    yield "</div></section>"


def _card(card: Card, place: int) -> str:
    facts = "".join(
        (f"<dt>{escaped(name)}</dt>" if name else "") + f"<dd>{escaped(text)}</dd>"
        for name, text in card.facts
    )
    what = f"the {card.by}'s own" if card.depth == 0 else f"sent by the {card.by}, {card.depth} above its own"
    return (
        f'<article class="card" id="certificate-{place}"><h3>{escaped(card.title)}</h3><p>{what}</p>'
        f"<dl>{facts}</dl></article>"
    )
