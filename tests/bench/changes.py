"""What a gateway takes for a large change: a CRL of 600,000 entries that lists a client, a rule among 600 routes.

Processor time of each of its processes until the client has ended, how long that took, and the memory of each. Clients
are connections of this process, two listed and two others, which must go on.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

import identities
import pki
from bench.beside import OURS, Program, running
from bench.gateway import GATEWAY, MANY, gateway_words
from bench.workers import prepare
from bothways import TLSError
from bothways.net import Channel, connect
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.der import elements, encoded, expect_element
from gateway_talk import behind
from processes import free_port, spent

ENTRIES, ROUTES = 600_000, 600
TIME = b"\x17\x0d261101000000Z"


def main(runs: int) -> None:
    """Make both changes so many times, in a gateway of one process and in one with two workers."""
    with TemporaryDirectory(prefix="bench-") as name, behind() as service:
        folder = Path(name)
        prepare(folder)
        replace(folder / "root.crl", identities.crls()[0].der)
        for workers in (0, 2):
            port = free_port()
            words = gateway_words(folder, service, port, f'crl = ["root.crl", "long.crl"]\n{MANY}')
            words += ["--workers", str(workers)] if workers else []
            lists_of(folder, words, port, runs)
            rules_of(folder, words, port, runs, routes(service))


def lists_of(folder: Path, words: list[str], port: int, runs: int) -> None:
    """Replace a long CRL again and again."""
    leaving = [identities.client(f"Leaving {number}") for number in range(runs)]
    lists = [long_list(leaving[:number], number + 1) for number in range(runs + 1)]
    replace(folder / "long.crl", lists[0])
    with running(GATEWAY, OURS, words, port) as gateway:
        print(f"\n{len(gateway.processes)} processes; memory in MiB {memory(gateway)}")
        for who, content in zip(leaving, lists[1:], strict=True):
            change = partial(replace, folder / "long.crl", content)
            report(f"a CRL of {ENTRIES:,} entries, {len(content) / 1e6:.0f} MB", gateway, who, change)


def rules_of(folder: Path, words: list[str], port: int, runs: int, others: str) -> None:
    """Add a rule again and again. others: further routes."""
    path = folder / "gateway.toml"
    first = path.read_text() + 'server_names = ["localhost"]\n'
    replace(folder / "long.crl", long_list([], runs + 2, 10))
    path.write_text(first + others)
    with running(GATEWAY, OURS, words, port) as gateway:
        for number in range(runs):
            first += f'[[route.deny]]\ncn = "Leaving {number}"\n'
            change = partial(replace, path, (first + others).encode())
            report(f"a rule among {ROUTES} routes", gateway, identities.client(f"Leaving {number}"), change)


def report(what: str, gateway: Program, leaving: pki.Issued, change: Callable[[], None]) -> None:
    """Make a change that ends a client, and tell what it took."""
    with contextlib.ExitStack() as stack:
        ends = [stack.enter_context(opened(gateway, leaving)) for _ in range(2)]
        stay = [stack.enter_context(opened(gateway, identities.client())) for _ in range(2)]
        before = {pid: spent(pid) for pid in gateway.processes}
        change()
        began = time.monotonic()
        for each in ends:
            with contextlib.suppress(TLSError, OSError):
                each.recv(1)
        passed = time.monotonic() - began
        used = [spent(pid) - before.get(pid, 0.0) for pid in gateway.processes]
        for each in stay:
            says(each)
    shown = " ".join(f"{each:.3f}" for each in used)
    print(f"  {what}: ended after {passed:.2f} s; {shown} s of processors; memory {memory(gateway)}")


def opened(gateway: Program, who: pki.Issued) -> Channel:
    channel = connect("127.0.0.1", gateway.port, identities.client_config(who), server_name="localhost")
    channel.settimeout(60)
    says(channel)
    return channel


def says(channel: Channel) -> None:
    channel.sendall(b"word\n")
    if channel.recv(100) != b"word\n":
        raise RuntimeError("no answer")


def memory(gateway: Program) -> str:
    """Return the memory of each process, and in parentheses that of all of them with what they share counted once."""
    each = [resident(pid) for pid in gateway.processes]
    return f"{' '.join(f'{octets / 1024:.0f}' for octets in each)} ({gateway.memory() / 1024:.0f})"


def resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))


def routes(service: int) -> str:
    return "".join(
        f'[[route]]\nserver_names = ["s{number}.example.com"]\nbackend = "127.0.0.1:{service}"\n'
        f'[[route.allow]]\nuri = "spiffe://example.org/s{number}/*"\n[[route.allow]]\ndns = "c{number}.example"\n'
        for number in range(ROUTES)
    )


def long_list(listed: list[pki.Issued], number: int, count: int = ENTRIES) -> bytes:
    """Return a CRL of the CA of the clients: with entries of random serial numbers in between."""
    drawn = random.Random(number)
    serials = [b"\x11" + drawn.randbytes(19) for _ in range(count)]
    for each in listed:
        serials.insert(drawn.randrange(count), ParsedCertificate(each.der).serial)
    times = {"this_update": identities.START + timedelta(hours=number), "next_update": identities.END}
    der = pki.crl(identities.middle(), identities.client(), number=number, **times)
    at, end = expect_element(der, 0, len(der), 0x30, "CRL")
    inner, inner_end = expect_element(der, at, end, 0x30, "what is signed")
    before = [each for each in elements(der, inner, inner_end) if each[0] == 0x30][2]
    entries = b"".join(encoded(0x30, encoded(0x02, each), TIME) for each in serials)
    signed = encoded(0x30, der[inner : before[1]], encoded(0x30, entries), der[before[3] : inner_end])
    algorithm = der[inner_end : expect_element(der, inner_end, end, 0x30, "algorithm")[1]]
    key = identities.middle().key
    if not isinstance(key, EllipticCurvePrivateKey):
        raise TypeError("the CA has another kind of key")
    return encoded(0x30, signed, algorithm, encoded(0x03, b"\0", key.sign(signed, ECDSA(SHA256()))))


def replace(path: Path, content: bytes) -> None:
    """Replace a file in one step."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    os.replace(new, path)


if __name__ == "__main__":
    main(int(sys.argv[1]))
