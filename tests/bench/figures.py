"""What is measured of one tree, by its public face alone, so that trees of different ages can be compared.

`python -m bench.figures FOLDER` measures whatever `bothways` its import path has: each line of standard input is
[figure, seconds], answered by a line with microseconds, or with why this tree cannot do it. `bench.against` drives it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from bench.measure import SLICE_SECONDS, calls_a_slice, timed

NAME = "localhost"
LARGE, SMALL = 16 * 1024, 1400
SUITE12 = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"

Once = Callable[[], object]


@dataclass(frozen=True)
class Material:
    """Certificates and keys in PEM, the same for every tree; in DER the server's chain, and a CRL of its CA."""

    ca: str
    server: str
    server_key: str
    client: str
    client_key: str
    chain: list[str]
    crl: str

    def write(self, folder: Path) -> None:
        (folder / "material.json").write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, folder: Path) -> Material:
        return cls(**json.loads((folder / "material.json").read_text()))


def configs(
    material: Material,
    remember_paths: int = 0,
    *,
    client: Mapping[str, Any] | None = None,
    server: Mapping[str, Any] | None = None,
    **terms: Any,
) -> tuple[Any, Any]:
    """Both sides' configurations, of the terms that both share and of those of each; nothing is resumed by default."""
    from bothways import ClientConfig, Credentials, ServerConfig, TrustStore

    def anchors() -> TrustStore:
        return TrustStore.from_pem(material.ca.encode(), remember_paths=remember_paths)

    def own(certificate: str, key: str) -> Credentials:
        return Credentials.from_pem(certificate.encode(), key.encode())

    terms = {"groups": ("x25519",)} | terms
    return (
        ClientConfig(
            anchors=anchors(),
            credentials=own(material.client, material.client_key),
            **(terms | _off(ClientConfig, "sessions") | dict(client or {})),
        ),
        ServerConfig(
            client_anchors=anchors(),
            credentials=own(material.server, material.server_key),
            **(terms | _off(ServerConfig, "tickets") | dict(server or {})),
        ),
    )


def _off(config: type[Any], name: str) -> dict[str, None]:
    """Switch off what older trees do not have."""
    return {name: None} if any(each.name == name for each in fields(config)) else {}


def established(client: Any, server: Any) -> tuple[Any, Any]:
    """Both ends of a connection whose handshake is done."""
    one, other = client.connection(NAME), server.connection()
    while not (one.peer and other.peer):
        sent = one.data_to_send()
        if not sent:
            raise RuntimeError(f"no handshake: {one.failure} {other.failure}")
        other.receive(sent)
        one.receive(other.data_to_send())
    return one, other


def handshake(material: Material, remember_paths: int = 0, **terms: Any) -> Once:
    """A full mutual handshake, both sides; returns the ends."""
    client, server = configs(material, remember_paths, **terms)
    return lambda: established(client, server)


def resumed(material: Material) -> Once:
    """A mutual handshake with the session of the one before it, both sides verified again with a CRL at hand."""
    from bothways import SessionStore, TicketKeys

    client, server = configs(
        material,
        1024,
        client={"sessions": SessionStore()},
        server={"tickets": TicketKeys()},
        revocation=revocation(material),
    )
    established(client, server)
    if not established(client, server)[1].resumed:
        raise ValueError("nothing was resumed")
    return lambda: established(client, server)


def revocation(material: Material) -> Any:
    """What checks certificates by the CRL of the material."""
    from bothways.trust.crl import CRL
    from bothways.trust.crl_store import CRLStore
    from bothways.trust.revocation import Revocation

    return Revocation(crls=CRLStore([CRL(bytes.fromhex(material.crl))]))


def judgement(material: Material, remember_paths: int = 0, *, lists: bool = False) -> Once:
    """The server's chain judged, without TLS. lists: with a CRL at hand."""
    from datetime import UTC, datetime

    from bothways.trust import Purpose, Trusted, TrustStore, verify

    anchors = TrustStore.from_pem(material.ca.encode(), remember_paths=remember_paths)
    chain, at = [bytes.fromhex(each) for each in material.chain], datetime.now(UTC)
    evidence = revocation(material) if lists else None

    def once() -> object:
        return verify(chain, anchors, purpose=Purpose.SERVER, name=NAME, at=at, revocation=evidence)

    if not isinstance(once(), Trusted):
        raise RuntimeError(f"no judgement: {once()}")
    return once


def data(material: Material, size: int) -> Once:
    """So many bytes sent by the client in one call and read by the server."""
    client, server = handshake(material)()  # type: ignore[misc]
    content = bytes(size)

    def once() -> object:
        client.send(content)
        return server.receive(client.data_to_send())

    return once


def bare(material: Material) -> Once:
    """The bare primitives of the first figure: they belong to no tree, and tell how alike the runs were."""
    from bench import primitives
    from bench.identities import make

    del material
    return primitives.once(primitives.handshake(make()))


@dataclass(frozen=True)
class Figure:
    """One line of the comparison: what it is for a person, and who makes it from the material."""

    title: str
    make: Callable[[Material], Once]


FIGURES = {
    "handshake": Figure("Full mutual handshake of TLS 1.3, both sides, path memory off", handshake),
    "remembered": Figure("The same, paths remembered", lambda material: handshake(material, 1024)),
    "resumed": Figure("A resumed mutual handshake of TLS 1.3, a CRL at hand, paths remembered", resumed),
    "handshake12": Figure(
        "Full mutual handshake of TLS 1.2, both sides, path memory off",
        lambda material: handshake(
            material, versions=("1.2",), suites=(SUITE12,), groups=("x25519", "secp256r1")
        ),
    ),
    "judgement": Figure("One chain judged without TLS, path memory off", judgement),
    "judgement-remembered": Figure(
        "The same, its path remembered", lambda material: judgement(material, 1024)
    ),
    "judgement-crl": Figure(
        "The same, with a CRL at hand", lambda material: judgement(material, 1024, lists=True)
    ),
    "data": Figure("Application data, 16 KiB a call, both sides", lambda material: data(material, LARGE)),
    "records": Figure("Application data, 1.4 kB a call, both sides", lambda material: data(material, SMALL)),
    "bare": Figure("Bare primitives of a handshake of TLS 1.3", bare),
}


def main(folder: Path) -> None:
    """Measure what is asked for until there is nobody who asks."""
    import bothways

    print(json.dumps(str(Path(bothways.__file__).parent)), flush=True)
    material, made = Material.read(folder), {}
    for line in sys.stdin:
        name, seconds = json.loads(line)
        try:
            if name not in made:
                once = FIGURES[name].make(material)
                made[name] = once, calls_a_slice(once, SLICE_SECONDS)
            answer: object = fastest(*made[name], seconds)
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            answer = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), flush=True)


def fastest(once: Once, count: int, seconds: float) -> float:
    """Return the microseconds of one call in the fastest of the slices that so many seconds have."""
    slices = max(1, round(seconds / SLICE_SECONDS))
    return min(timed(once, count) for _ in range(slices)) / count * 1e6


if __name__ == "__main__":
    main(Path(sys.argv[1]))
