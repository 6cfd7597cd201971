"""Application data, both sides in one process: 16 KiB a call, and records of 1.4 kB."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from OpenSSL import SSL

from bench import stacks
from bench.identities import Identities, make
from bench.measure import Contender, against, budgeted, by_turns, show, timed
from bothways import Data

LARGE = 16 * 1024
SMALL = 1400
BATCH = 64


def main(runs: int) -> None:
    identities = make()
    ours, bare, standard = carried(identities, LARGE, "16 KiB", runs)
    print(
        f"  bothways moves {bare.median / ours.median:.2f} of what bare AES-128-GCM does; budget: at least 0.65"
    )
    against(ours, bare, 1 / 0.65)
    against(ours, standard, 1.0)
    carried(identities, SMALL, "1.4 kB", runs)
    python_per_record(identities, runs)


def carried(
    identities: Identities, size: int, title: str, runs: int
) -> tuple[Contender, Contender, Contender]:
    """Compare all stacks at calls of `size` bytes; return ours, the bare AEAD and ssl."""
    data = bytes(size)

    def contender(name: str, stack: stacks.Stack, note: str = "") -> Contender:
        channel = stack()
        if channel.carry(data) != data:
            raise RuntimeError(f"{name} does not carry what it is given")
        return Contender(name, lambda: channel.carry(data), note)

    seal, open_ = bare_aead(data)
    bare = Contender("bare AES-128-GCM", lambda: (seal(), open_()), "sealed and opened")
    ours = contender("bothways", stacks.bothways(identities))
    standard = contender("ssl", stacks.standard(identities), ssl.OPENSSL_VERSION)
    others = [contender("pyOpenSSL", stacks.pyopenssl(identities), SSL.OpenSSL_version(0).decode())]
    if size < LARGE:  # siotls 0.0.5 refuses the full record that it made
        others.append(contender("siotls", stacks.siotls(identities), "0.0.5"))
    tlslite = contender("tlslite-ng", stacks.tlslite(identities), "AES in pure Python")
    by_turns([ours, bare, standard, *others], runs)
    by_turns([tlslite], 2, seconds=0.5)
    show(f"Application data, {title} a call, both sides", [ours, bare, standard, *others, tlslite])
    return ours, bare, standard


def python_per_record(identities: Identities, runs: int) -> None:
    """Seal and open many small records at a time, and take away what the AEAD needs for them."""
    channel = stacks.bothways(identities)()
    client, server = channel.client, channel.server
    data = bytes(SMALL)
    sealed: list[bytes] = []

    def seal_all() -> None:
        for _ in range(BATCH):
            client.send(data)
        sealed.append(client.data_to_send())

    def open_all() -> None:
        events = server.receive(sealed.pop(0))
        if len(events) != BATCH or not isinstance(events[-1], Data):
            raise RuntimeError(f"{len(events)} events for {BATCH} records")

    def bare(call: Callable[[], bytes]) -> Callable[[], None]:
        def run() -> None:
            for _ in range(BATCH):
                call()

        return run

    seal, open_ = bare_aead(data)
    sealing, opening = Contender("bothways seals", seal_all), Contender("bothways opens", open_all)
    bare_seal, bare_open = Contender("bare AEAD seals", bare(seal)), Contender("bare AEAD opens", bare(open_))
    pairs(sealing, opening, runs)
    by_turns([bare_seal, bare_open], runs)
    rows = [sealing, bare_seal, opening, bare_open]
    for each in rows:
        each.times = [time / BATCH for time in each.times]
    show(f"Records of 1.4 kB, {BATCH} at a time, microseconds for one", rows)
    budgeted("  Python per record", "sealed", sealing.median - bare_seal.median, 4.0)
    budgeted("  Python per record", "opened", opening.median - bare_open.median, 4.0)


def pairs(sealing: Contender, opening: Contender, runs: int) -> None:
    """Time sealing and opening by turns: what is opened must have been sealed just before."""
    for _ in range(runs):
        slices = [(timed(sealing.once), timed(opening.once)) for _ in range(200)]
        for each, times in zip((sealing, opening), zip(*slices, strict=True), strict=True):
            each.times.append(min(times) * 1e6)


def bare_aead(data: bytes) -> tuple[Callable[[], bytes], Callable[[], bytes]]:
    """Return what seals `data` with its type, and what opens it, as a record's AEAD does."""
    aead, nonce, header, inner = AESGCM(bytes(16)), bytes(12), bytes(5), data + b"\x17"
    sealed = aead.encrypt(nonce, inner, header)
    return lambda: aead.encrypt(nonce, inner, header), lambda: aead.decrypt(nonce, sealed, header)


if __name__ == "__main__":
    main(int(sys.argv[1]))
