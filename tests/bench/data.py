"""Application data, both sides in one process: 16 KiB a call, and records of 1.4 kB; TLS 1.3, then 1.2."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable
from struct import Struct

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
    print(f"  bothways moves {bare.median / ours.median:.2f} of what bare AES-128-GCM does")
    against(ours, standard, 1.0)
    carried(identities, SMALL, "1.4 kB", runs)
    python_per_record(identities, runs)
    carried12(identities, runs)


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
    least = Contender(
        "least in Python", least_layer(data), "what no record layer can leave out; no connection"
    )
    ours = contender("bothways", stacks.bothways(identities))
    standard = contender("ssl", stacks.standard(identities), ssl.OPENSSL_VERSION)
    others = [contender("pyOpenSSL", stacks.pyopenssl(identities), SSL.OpenSSL_version(0).decode())]
    if size < LARGE:  # siotls 0.0.5 refuses the full record that it made
        others.append(contender("siotls", stacks.siotls(identities), "0.0.5"))
    tlslite = contender("tlslite-ng", stacks.tlslite(identities), "AES in pure Python")
    by_turns([ours, bare, least, standard, *others], runs)
    by_turns([tlslite], 2, seconds=0.5)
    show(f"Application data, {title} a call, both sides", [ours, bare, least, standard, *others, tlslite])
    print(f"  the least in Python moves {bare.median / least.median:.2f} of what bare AES-128-GCM does")
    return ours, bare, standard


def carried12(identities: Identities, runs: int) -> None:
    """The row of 16 KiB a call for TLS 1.2, whose records have their type outside."""
    data, cipher = bytes(LARGE), "ECDHE-ECDSA-AES128-GCM-SHA256"
    aead, nonce, header = AESGCM(bytes(16)), bytes(12), bytes(13)
    sealed = aead.encrypt(nonce, data, header)
    stacks_of = {
        "bothways": (stacks.bothways12(identities, cipher), ""),
        "ssl": (stacks.standard(identities, cipher=cipher), ssl.OPENSSL_VERSION),
        "pyOpenSSL": (stacks.pyopenssl(identities, cipher=cipher), SSL.OpenSSL_version(0).decode()),
    }
    rows = []
    for name, (stack, note) in stacks_of.items():
        channel = stack()
        if channel.carry(data) != data:
            raise RuntimeError(f"{name} does not carry what it is given")
        rows.append(Contender(name, lambda channel=channel: channel.carry(data), note))  # type: ignore[misc]
    bare = Contender(
        "bare AES-128-GCM",
        lambda: (aead.encrypt(nonce, data, header), aead.decrypt(nonce, sealed, header)),
        "sealed and opened",
    )
    by_turns([*rows, bare], runs)
    show("Application data under TLS 1.2, 16 KiB a call, both sides", [rows[0], bare, *rows[1:]])
    against(rows[0], rows[1], 1.0)


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


def least_layer(data: bytes) -> Callable[[], bytes]:
    """Return the least that must be done for one record of TLS 1.3, sealed and opened (RFC 9846 5.2, 5.3).

    The type goes behind the content, the header before what was sealed; a nonce is made from the sequence
    number on both sides; length and type are checked, and the type is taken off again.
    """
    aead, iv, count = AESGCM(bytes(16)), int.from_bytes(bytes(range(12)), "big"), [0, 0]
    encrypt, decrypt, write_header = aead.encrypt, aead.decrypt, Struct(">BHH").pack

    def seal() -> bytes:
        sequence = count[0]
        count[0] = sequence + 1
        header = write_header(23, 0x0303, len(data) + 17)
        return header + encrypt((iv ^ sequence).to_bytes(12, "big"), b"".join((data, b"\x17")), header)

    def open_(record: bytes) -> bytes:
        if record[0] != 23 or record[3] << 8 | record[4] != len(record) - 5:
            raise ValueError("no such record")
        sequence = count[1]
        inner = decrypt((iv ^ sequence).to_bytes(12, "big"), memoryview(record)[5:], record[:5])
        if inner[-1] != 23:
            raise ValueError("no data")
        count[1] = sequence + 1
        return inner[:-1]

    return lambda: open_(seal())


def bare_aead(data: bytes) -> tuple[Callable[[], bytes], Callable[[], bytes]]:
    """Return what seals `data` with its type, and what opens it, as a record's AEAD does."""
    aead, nonce, header, inner = AESGCM(bytes(16)), bytes(12), bytes(5), data + b"\x17"
    sealed = aead.encrypt(nonce, inner, header)
    return lambda: aead.encrypt(nonce, inner, header), lambda: aead.decrypt(nonce, sealed, header)


if __name__ == "__main__":
    main(int(sys.argv[1]))
