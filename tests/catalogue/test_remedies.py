"""Each `try:` of the catalogue is run as it is printed, and then it works; what is asked of others is done."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bothways import Credentials
from bothways.diagnosis.diagnosis import Likely
from catalogue import people
from catalogue.database import REQUEST as STARTUP
from catalogue.database import ask_for_tls
from catalogue.played import play
from catalogue.prepared import HTTP2
from catalogue.remedies import SAID_BY_ROW, Mended, mended
from catalogue.rows import CATALOGUE, Row
from catalogue.stage import FILES, REQUEST, Stage, as_client
from command_line import bothways, environment, run_command, shell_options

pytestmark = [pytest.mark.interop, pytest.mark.network]

# A browser is taught a CA in tests/interop/test_chromium.py; --fetch-allow is given in tests/cli/test_fetching.py.
ELSEWHERE = ("our-certificate-in-a-browser", "list-not-to-be-fetched")
SECONDS = 30


def rows() -> Iterator[object]:
    """Every row; in `make test` those that bring a remedy for the first time."""
    seen = set()
    for row in CATALOGUE:
        if row.name not in ELSEWHERE:
            remedy = (row.cause, row.party, row.role)
            yield pytest.param(row, marks=[pytest.mark.full] if remedy in seen else [], id=row.name)
            seen.add(remedy)


@pytest.mark.parametrize("row", list(rows()))
def test_following_a_remedy_makes_the_connection_succeed(
    row: Row, stage: Stage, request: pytest.FixtureRequest
) -> None:
    """A command is run as it is printed, its blanks filled; what has none is asked of others, who do it."""
    give_files(row, stage.folder)
    if row.program == "postgres":
        at_the_database(row, stage, request.getfixturevalue("database_port"))
        return
    found = play(row, stage)
    assert found is not None
    reported = [each for each in found.shown_causes if each.cause in (row.cause, *row.also)]
    wanted = mended(row)
    if not all(each.is_ours_to_do for each in reported):  # what others do comes first, and then all is sound
        works(play(wanted.row, stage, wanted.settings, wanted.enough))
        return
    for each in reported:
        tried(each, wanted, said_by(row), stage.folder)
    if any("chain.pem" in each.command for each in reported):
        chain = Credentials.from_files(stage.folder / "chain.pem", stage.folder / FILES.key)
        works(play(row, stage, {**row.ours(), "credentials": chain}, b""))


def said_by(row: Row) -> bytes:
    """What is said when a command connects; gRPC ends the connection at once for what is no HTTP/2."""
    said = REQUEST if row.request in (b"", HTTP2) else row.request
    return SAID_BY_ROW.get(row.name, said)


def at_the_database(row: Row, stage: Stage, port: int) -> None:
    before, starttls = (None, "") if row.name == "database" else (ask_for_tls, "postgres")
    found = as_client(port, row.ours(), request=STARTUP, before=before, starttls=starttls)
    assert found is not None
    wanted = mended(row)
    if found.first.is_ours_to_do:
        tried(found.first, wanted, STARTUP, stage.folder)
    elif before is None:
        works(play(wanted.row, stage, wanted.settings, wanted.enough))
    else:
        works(
            as_client(
                port, wanted.settings, request=STARTUP, before=ask_for_tls, starttls="postgres", enough=b"R"
            )
        )


def works(found: object) -> None:
    assert found is None, found


def tried(likely: Likely, wanted: Mended, said: bytes, folder: Path) -> None:
    """Run a command as it is printed; the words in capitals are its blanks."""
    command = re.sub(
        r"\b[A-Z]{2,}\b", lambda blank: wanted.blanks.get(blank.group(), blank.group()), likely.command
    )
    if "--name NAME" in likely.command:
        said = said.replace(b"Host: localhost", f"Host: {wanted.blanks['NAME']}".encode())
    words = as_words(command)
    options = shell_options(folder / "bin") if words[0] == "bash" else {"env": environment()}
    done = run_command(
        words, input=said, cwd=folder, **options,
        capture_output=True, timeout=2 * SECONDS, check=False,  # servers of TLS 1.2 end after 20 s
    )  # fmt: skip
    print(f"{likely.cause.name}, {likely.party.value}: try: {likely.command}")
    # gRPC and Redis answer, and then close as they always do, without close_notify.
    served = done.returncode == 0 or (done.stdout and b"without close_notify" in done.stderr)
    assert served, f"{command}\n{done.stdout!r}\n{done.stderr.decode()}"


def as_words(command: str) -> list[str]:
    """What a shell makes of it; a shell runs what is more than one command of ours."""
    words = shlex.split(command)
    if words[0] == "bothways" and not re.search(r"[|&;<>$`*?~(){}\n]", command):
        return bothways(*words[1:])
    return ["bash", "-c", command]


def give_files(row: Row, folder: Path) -> None:
    """Write what we use in this row by the names that commands know."""
    ours = row.ours()
    mine = ours.get("credentials")
    if isinstance(mine, Credentials) and mine.key is not None:
        chain = b"".join(each.public_bytes(Encoding.PEM) for each in mine.certificates)
        (folder / FILES.cert).write_bytes(chain)
        key = mine.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / FILES.key).write_bytes(key)
    anchors = ours.get("anchors", people.anchors())
    (folder / FILES.ca).write_bytes(
        b"".join(each.public_bytes(Encoding.PEM) for each in anchors.certificates)
    )
