"""The standard library's own tests of `ssl`, pointed at our classes: what they ask of OpenSSL is asked of us.

Their contexts are filled as those of `ssl`; so are ours here, with what their tests take for granted: a client that
was told to verify nothing verifies against the CAs of the tests, and whoever names nobody means localhost.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import ssl
import types
import unittest
import warnings
from collections.abc import Iterator
from typing import Any

import identities
from bothways.adapters.loading import LoadedSettings
from bothways.ssl import SSLContext, SSLObject, SSLSocket
from bothways.tls.config import ClientConfig, ServerConfig
from bothways.trust.certificate.files import certificates_in

MODULES = ("test.test_ssl", "test.test_asyncio.test_ssl", "test.test_asyncio.test_sslproto")
SHARED = "test.test_asyncio.utils"
SECONDS = 30
_SPEAKS = {ssl.TLSVersion.TLSv1_2: "1.2", ssl.TLSVersion.TLSv1_3: "1.3"}
_SIDES = {ssl.PROTOCOL_TLS_CLIENT: ClientConfig, ssl.PROTOCOL_TLS_SERVER: ServerConfig}


def available() -> bool:
    """Whether this Python has its tests: Debian has them in a package of their own."""
    try:
        importlib.import_module("test.test_ssl")
    except (ImportError, unittest.SkipTest):
        return False
    return True


class _ByType(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return type.__instancecheck__(ssl.SSLContext, instance)


class Pointed(SSLContext, metaclass=_ByType):
    """Our context in the place of `ssl.SSLContext(protocol)`."""

    def __init__(self, protocol: int | None = None) -> None:
        if protocol not in _SIDES:
            raise ValueError("a protocol for both sides")
        kind = _SIDES[protocol]
        prepared = SSLContext.for_client() if kind is ClientConfig else SSLContext.for_server()
        vars(self).update(vars(prepared))
        self._loaded = LoadedSettings(kind, {})
        self._verifies = True
        self._checks_names = True
        self._asks = False
        self._kept: dict[bytes, None] = {}

    def load_verify_locations(self, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        """A server of the tests has anchors that it may never ask for."""
        super().load_verify_locations(cafile, capath, cadata)
        loaded = self._takes_more
        if loaded is not None and loaded.is_server and not self._asks:
            self._kept.update(loaded.anchors)
            loaded.anchors.clear()

    def _require_certificates(self) -> bool:
        self._asks = True
        loaded = self._takes_more
        if loaded is not None:
            loaded.anchors.update(self._kept)
        return super()._require_certificates()

    def _get_verify_mode(self) -> ssl.VerifyMode:
        return SSLContext.verify_mode.fget(self)  # type: ignore[attr-defined]

    def _set_verify_mode(self, value: int) -> None:
        if value == ssl.CERT_REQUIRED:
            SSLContext.verify_mode.fset(self, value)  # type: ignore[attr-defined]
        else:
            self._verifies = False

    def _get_check_hostname(self) -> bool:
        return SSLContext.check_hostname.fget(self)  # type: ignore[attr-defined]

    def _set_check_hostname(self, value: bool) -> None:
        self._checks_names = bool(value)

    def _get_minimum(self) -> ssl.TLSVersion:
        return SSLContext.minimum_version.fget(self)  # type: ignore[attr-defined]

    def _set_minimum(self, value: Any) -> None:
        self._limit(lambda version: version >= _SPEAKS.get(value, "1.2"))

    def _get_maximum(self) -> ssl.TLSVersion:
        return SSLContext.maximum_version.fget(self)  # type: ignore[attr-defined]

    def _set_maximum(self, value: Any) -> None:
        self._limit(lambda version: version <= _SPEAKS.get(value, "1.3"))

    verify_mode = property(_get_verify_mode, _set_verify_mode)
    check_hostname = property(_get_check_hostname, _set_check_hostname)
    minimum_version = property(_get_minimum, _set_minimum)
    maximum_version = property(_get_maximum, _set_maximum)

    def _limit(self, keeps: Any) -> None:
        loaded = self._takes_more
        if loaded is not None:
            spoken = loaded._options.get("versions", ("1.3", "1.2"))
            loaded._options["versions"] = tuple(filter(keeps, spoken))

    def server_name(self, server_hostname: object) -> str:
        """Whoever names nobody, or the address of this machine, means whom the certificates are for."""
        if self._checks_names:
            return super().server_name(server_hostname)
        return super().server_name(
            server_hostname if server_hostname not in (None, "", "127.0.0.1") else "localhost"
        )

    def _complete(self) -> None:
        loaded = self._loaded
        if loaded is not None and not loaded.is_server and not loaded.anchors:
            found = [identities.root("Nobody").der] if self._verifies else certificates()
            loaded.anchors.update(dict.fromkeys(found))
        super()._complete()


def certificates() -> list[bytes]:
    """The CAs of the tests, and what signs itself there."""
    tests = importlib.import_module("test.test_ssl")
    found: list[bytes] = []
    for path in (tests.SIGNING_CA, tests.CERTFILE):
        with open(path, "rb") as file:
            found += certificates_in(file.read(), path)
    return found


class _Ssl(types.ModuleType):
    """The module `ssl`, but for its classes."""

    def __getattr__(self, name: str) -> Any:
        return getattr(ssl, name)


@contextlib.contextmanager
def pointed() -> Iterator[None]:
    """While this lasts the tests mean ours when they say `ssl`."""
    stand_in = _Ssl("ssl")
    vars(stand_in).update(SSLContext=Pointed, SSLSocket=SSLSocket, SSLObject=SSLObject)
    modules = [importlib.import_module(name) for name in (*MODULES, SHARED)]
    for module in modules:
        module.ssl = stand_in  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module in modules:
            module.ssl = ssl  # type: ignore[attr-defined]


def cases() -> Iterator[tuple[str, str, str]]:
    """Yield module, class and name of each case."""
    for name in MODULES:
        module = importlib.import_module(name)
        for title, kind in sorted(vars(module).items()):
            if isinstance(kind, type) and issubclass(kind, unittest.TestCase) and kind.__module__ == name:
                for case in unittest.TestLoader().getTestCaseNames(kind):
                    yield name, title, case


def run(module: str, title: str, name: str) -> str:
    """Run a case; return what went wrong, "" for nothing. Raises SkipTest where it skips itself."""
    kind: Any = getattr(importlib.import_module(module), title)
    result = unittest.TestResult()

    def late(*_: object) -> None:
        raise TimeoutError(f"more than {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    here = os.getcwd()
    try:
        with pointed(), warnings.catch_warnings(), open(os.devnull, "w") as nowhere:
            warnings.simplefilter("ignore")
            with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
                kind.setUpClass()
                try:
                    kind(name).run(result)
                finally:
                    kind.tearDownClass()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        os.chdir(here)
    if result.skipped:
        raise unittest.SkipTest(result.skipped[0][1])
    return "\n".join(text for _, text in result.failures + result.errors)
