"""The URI of a private key in a PKCS#11 token (RFC 7512): it names key and driver, and never contains the PIN."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, unquote_to_bytes

from bothways.arguments import text as checked_text
from bothways.errors import ConfigError

SCHEME = "pkcs11:"


@dataclass(frozen=True, slots=True)
class KeyURI:
    """Where a key is: the token, the object in it, the driver module, and the file with the PIN."""

    token: str
    object: str
    id: bytes = b""
    serial: str = ""
    module: str = ""
    pin_file: str = ""

    @classmethod
    def parse(cls, text: str) -> KeyURI:
        """Read a URI such as pkcs11:token=ca;object=issuing?module-path=/usr/lib/softhsm/libsofthsm2.so (RFC 7512).

        Raises ConfigError for attributes that it does not support, and for a PIN in the URI itself.
        """
        if "pin-value" in unquote(checked_text("key", text)).lower():
            raise ConfigError(
                "a PKCS#11 URI must not contain the PIN: name a file that contains it with pin-source="
            )
        if not text.startswith(SCHEME):
            raise ConfigError(f"{text!a} is not a PKCS#11 URI; write pkcs11:token=NAME;object=NAME")
        path, _, query = text.removeprefix(SCHEME).partition("?")
        where, how = _attributes(path, ";"), _attributes(query, "&")
        unknown = (where.keys() - {"token", "object", "id", "serial", "type"}) | (
            how.keys() - {"module-path", "pin-source"}
        )
        if unknown:
            raise ConfigError(f"the PKCS#11 URI has the attribute {min(unknown)!a}, which is not supported")
        if where.get("type", "private") != "private":
            raise ConfigError(f"the PKCS#11 URI has type={where['type']}; it must be type=private")
        if not where.get("token") or not (where.get("object") or where.get("id")):
            raise ConfigError("the PKCS#11 URI must have token=NAME, and object=NAME or id=")
        source = how.get("pin-source", "")
        return cls(
            where["token"],
            where.get("object", ""),
            unquote_to_bytes(_raw(path, "id")),
            where.get("serial", ""),
            how.get("module-path", ""),
            unquote(source.removeprefix("file://").removeprefix("file:")),
        )

    @property
    def label(self) -> str:
        """The token, as errors name it."""
        return f"the token {self.token!a}"

    @property
    def key_name(self) -> str:
        """How it names the key, as text."""
        return ascii(self.object) if self.object else f"with the id {self.id.hex()}"


def _attributes(text: str, separator: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split(separator)):
        name, equals, value = part.partition("=")
        if not equals or name in found:
            raise ConfigError(
                f"the PKCS#11 URI contains {part!a}, which is not an attribute or a repeated one"
            )
        found[name] = unquote(value)
    return found


def _raw(path: str, name: str) -> str:
    return next((part.partition("=")[2] for part in path.split(";") if part.startswith(f"{name}=")), "")
