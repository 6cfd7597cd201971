"""docs/failures.md, made of the catalogue: every failure by the cause that is named for it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from bothways.diagnosis import Cause, OwnSide, Party, Situation
from bothways.diagnosis.case import Case
from bothways.roles import Role
from catalogue.rows import CATALOGUE, Row

INTRODUCTION = """\
# Failures, and what they come from

Whoever meets "handshake failure" wants to know whose fault it is and what to change. `bothways connect`, `serve` and
`doctor`, the demo and every ladder say it: what happened, what that usually means in this place, and from what it may
come, the likeliest first - with the reason to think so, what to do, and a command where one helps. The same alert means
different things after our hello and after our certificate, so the explanation goes by what passed, and by what our own
side brought: who issued our certificate and whom the server names, when it ends, what it is for, which suites
and groups we leave out, what our clock says. A peer's words are shown escaped, and never become part of a command.

Several faults are told together, in the order of mending. A service that refuses after the handshake fails `connect`
and `doctor` too (HTTP 401, 403, 407, 421, 495 to 497, or 400 with a message about the certificate), and one that closes
without a word before it was asked anything. Where our hello is not answered, `connect --probe` asks what the server
speaks by at most nine connections more; `--groups` and `--suites` say what to offer.

In a program it takes an observer beside the connection, and one call:

```python
from bothways import ClientConfig, ServerConfig, TrustStore
from bothways.ca.authority import Authority
from bothways.ca.profiles import Profile
from bothways.diagnosis import HandshakeFacts, explain

ours, theirs = Authority.create("Globex"), Authority.create("Acme")
anchors = TrustStore.from_pem(theirs.root_pem)
host = theirs.issue(Profile.SERVER, dns=["localhost"]).credentials
server = ServerConfig(credentials=host, client_anchors=anchors).connection()
config = ClientConfig(anchors=anchors, credentials=ours.issue(Profile.CLIENT, "alice").credentials)

observed = HandshakeFacts(config, "localhost", address="localhost:8443")
client = config.connection("localhost", observer=observed)  # or bothways.net.connect(..., observer=observed)
while client.failure is None:
    server.receive(client.data_to_send())
    client.receive(server.data_to_send())
why = explain(client.failure, observed.situation())

assert why.first.cause.name == "CA_NOT_ACCEPTED"
assert "Globex" in why.first.evidence and "Acme" in why.first.evidence
print(why)
```

`why.causes` are values: `cause` (a stable name), `party` (with whom it lies), `weight`, `text`, `evidence`, `remedy`,
`command`. `explain` is pure: it asks no clock and no network. `explain_answer(data, situation)` does the same for a
service that turns a client away inside a channel that stands, as nginx and PostgreSQL do; `explain_verdict` for a chain
that was judged without a connection. `HandshakeFacts` keep no key, no secret and no data. With `--json`, `connect`
and `verify` carry the same values under `explanation`; `connect` writes one object at its end, also for wrong use.

## The catalogue

Each of these failures is produced in the tests with software that is not ours, and **its true cause has to be named
first**. This page is made from them by `make failures`. The commands run in a directory with the identities that
their names speak of (tests/catalogue/people.py) and the configurations of tests/catalogue/configurations.py;
`go-peer` is tests/interop/go/peer.go, `tlslite-peer` tests/catalogue/tlslite_peer.py. PORT is where the server listens.
"""
BLANKS = {
    "issuer": "ISSUER", "date": "DATE", "now": "NOW", "got": "WHAT IT IS", "wanted": "WHAT IS WANTED",
    "name": "NAME", "usage": "USAGE", "profile": "PROFILE", "problem": "PROBLEM",
    "requesting": "request TLS in its protocol (--starttls NAME), or ",
}  # fmt: skip
PARTIES = {Party.OURS: "ours", Party.PEERS: "the peer's", Party.BETWEEN: "between the two"}


def page() -> str:
    """The whole page."""
    order = {cause: place for place, cause in enumerate(Cause)}
    rows = sorted(CATALOGUE, key=lambda row: order[row.cause])
    parts = [INTRODUCTION, f"\n{len(rows)} failures, {len({row.cause for row in rows})} causes.\n"]
    for cause, found in groupby(rows, key=lambda row: row.cause):
        parts.append("".join(f"{line}\n" for line in section(cause, list(found))))
    return "\n".join(parts)


def section(cause: Cause, rows: list[Row]) -> Iterator[str]:
    """One cause: what is said of it to either side, and the failures that have it."""
    yield f"### {cause.name}"
    yield ""
    for role, party in dict.fromkeys((row.role, row.party) for row in rows):
        likely = Case(ValueError(), Situation(OwnSide(Role(role)))).likely(cause, party, **BLANKS)
        side = "client" if role == "client" else "server"
        yield f"* A {side} is told: **{likely.text}**. To do ({PARTIES[party]}): {likely.remedy}."
    yield ""
    yield "| what is wrong | peer | produced by |"
    yield "|---|---|---|"
    for row in rows:
        command = "(no program)" if row.program == "nobody" else f"`{row.command}`"
        more = ", and a device that cuts" if row.cut is not None else ""
        more += f", into which `{row.says.strip()}` is typed" if row.says else ""
        yield f"| {_told(row)} | {row.peer} | {command}{more} |".replace("nobody", "none")


def _told(row: Row) -> str:
    """The story of a row, which may lean on the row before it."""
    if not row.story.startswith("the same"):
        return row.story
    before = CATALOGUE[: CATALOGUE.index(row)]
    base = next(each.story for each in reversed(before) if not each.story.startswith("the same"))
    rest = (
        row.story.removeprefix("the same")
        .removeprefix(" with another server")
        .removeprefix(" with another client")
    )
    return base.partition(";")[0] + (f";{rest.lstrip(',:')}" if rest else "")
