"""Who meets other stacks: every kind of key, in every state that gets refused, under one small CA.

Other stacks read this machine's clock, so these certificates are valid around now.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from bothways import Credentials, TrustStore
from interop.peers import find
from pki import DAY, Issued, intermediate, issue, root

NOW = datetime.now(UTC).replace(microsecond=0)
LOCAL = ("DNS:localhost", "IP:127.0.0.1")
USES = {"server": "serverAuth", "client": "clientAuth"}
KEY_KINDS = {"RSA": "RSA-2048"}


@dataclass(frozen=True)
class Identity:
    """A chain and its key as PEM: `chain` is the leaf and its intermediate, without the root."""

    name: str
    chain: bytes
    key: bytes
    root: bytes

    @cached_property
    def credentials(self) -> Credentials:
        """Loaded once: an RSA key takes longer to load than a handshake takes."""
        return Credentials.from_pem(self.chain, self.key)

    def files(self, folder: Path) -> tuple[str, str]:
        """Write chain and key into `folder`, once, and return their paths."""
        chain, key = folder / f"{self.name}.pem", folder / f"{self.name}.key"
        if not key.exists():
            chain.write_bytes(self.chain)
            key.write_bytes(self.key)
        return str(chain), str(key)


@cache
def issuer(name: str = "Interop") -> Issued:
    return intermediate(root(f"{name} root"), f"{name} intermediate")


@cache
def identity(
    role: str, kind: str = "P-256", *, state: str = "sound", names: tuple[str, ...] | None = None
) -> Identity:
    """The one `role` with a key of `kind`. Clients have no alternative names, as many real ones have none.

    state: "sound", "expired", "unknown" (of another CA) or "misused" (made for the other role).
    """
    by = issuer("Stranger" if state == "unknown" else "Interop")
    use = USES[role] if state != "misused" else USES["client" if role == "server" else "server"]
    if names is None:
        names = LOCAL if role == "server" else ()
    label = f"{state} {role} {kind}" if names in (LOCAL, ()) else f"{role} {names[0]}"
    if kind == "RSA-PSS":
        return _with_pss_key(label, by, use, names)
    issued = issue(
        label,
        by,
        ca=False,
        usage=(use,),
        key_kind=KEY_KINDS.get(kind, kind),
        alternatives=names,
        not_before=NOW - 30 * DAY,
        not_after=NOW - DAY if state == "expired" else NOW + 30 * DAY,
    )
    return Identity(_file_name(label), issued.chain_pem, issued.key_pem, by.above[-1].pem)


def server(kind: str = "P-256", **options: str) -> Identity:
    return identity("server", kind, **options)


def client(kind: str = "P-256", **options: str) -> Identity:
    return identity("client", kind, **options)


@cache
def deciphering(*usages: str) -> Identity:
    """A server with an RSA key for what `usages` say."""
    issued = issue(
        f"server that may {' '.join(usages)}",
        issuer(),
        ca=False,
        usage=("serverAuth",),
        key_kind="RSA-2048",
        key_usage=usages,
        alternatives=LOCAL,
        not_before=NOW - 30 * DAY,
        not_after=NOW + 30 * DAY,
    )
    name = "-".join(("deciphering", *usages))
    return Identity(name, issued.chain_pem, issued.key_pem, issuer().above[-1].pem)


def anchors() -> TrustStore:
    return TrustStore.from_pem(server().root)


@cache
def root_file(folder: Path) -> str:
    """The root that everybody here trusts, as a file."""
    path = folder / "root.pem"
    path.write_bytes(server().root)
    return str(path)


def _file_name(label: str) -> str:
    return "".join(each if each.isalnum() else "-" for each in label)


def _with_pss_key(label: str, by: Issued, use: str, names: tuple[str, ...]) -> Identity:
    """`cryptography` writes every RSA key as rsaEncryption; the openssl program can bind one to PSS."""
    extensions = [
        "basicConstraints=critical,CA:false",
        "keyUsage=critical,digitalSignature",
        f"extendedKeyUsage={use}",
        *([f"subjectAltName={','.join(names)}"] if names else []),
    ]
    openssl = find("openssl")
    with TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "ca.pem").write_bytes(by.pem)
        (folder / "ca.key").write_bytes(by.key_pem)
        (folder / "extensions").write_text("\n".join(extensions))
        for command in (
            "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out key",
            f"req -new -key key -subj /CN={_file_name(label)} -out request",
            "x509 -req -in request -CA ca.pem -CAkey ca.key -days 30 -extfile extensions -out leaf",
        ):
            subprocess.run([openssl, *command.split()], cwd=folder, check=True, capture_output=True)
        leaf, key = (folder / "leaf").read_bytes(), (folder / "key").read_bytes()
    return Identity(_file_name(label), leaf + by.pem, key, by.above[-1].pem)
