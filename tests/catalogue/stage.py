"""Where the catalogue is played: other people's servers and clients on loopback, and us on the other side.

Commands are run as they are shown, in a directory with everybody's files; PORT stands for the port.
"""

from __future__ import annotations

import shlex
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from bothways import ClientConfig, ServerConfig, TLSError
from bothways.diagnosis import Explanation, Files, HandshakeFacts, explain, explain_answer, explain_ended
from bothways.diagnosis.replies.reply import LOOKED_AT
from bothways.doctor.dial import Target
from bothways.doctor.evidence import probe
from bothways.net import Channel, wrap
from bothways.net.connecting import connected_socket
from bothways.trust.path.name_matching import server_name
from catalogue import people, prepared
from catalogue.row import program_of
from interop import peers
from interop.programs import Program, running
from processes import free_port

SECONDS = 8.0
COMES = 60.0  # seconds until a client comes: a browser or a virtual machine begins slowly on a busy machine
HOST = "localhost"
REQUEST = b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"
MOMENTS = {
    "$(date +%s -d '+1 year')": timedelta(days=365), "$(date +%s -d '-2 hours')": timedelta(hours=-2),
    "$(date +%s -d '-3 years')": timedelta(days=-1096),
}  # fmt: skip
READY = {
    "openssl": "ACCEPT", "go-peer": "listening", "tlslite-peer": "listening", "node": "listening",
    "java": "listening", "python3": "listening", "dovecot": "starting up",
}  # fmt: skip


@dataclass
class Stage:
    """Programs that run while the catalogue is played, and the directory that they run in."""

    folder: Path
    go: Callable[[], str]
    running: dict[str, tuple[Program, int]] = field(default_factory=dict)

    def start(self, command: str, setup: str = "") -> int:
        """Run a server, unless it runs, and return its port. setup: its configuration file."""
        name = f"{command}\n{setup}"
        if name not in self.running:
            self._make_room(command)
            self.running[name] = self._start(command, setup)
        return self.running[name][1]

    def _make_room(self, command: str) -> None:
        """End a database that has the folder which another one wants."""
        if program_of(command.split()) == "mariadbd":
            for name in [name for name in self.running if name.startswith("mariadbd")]:
                self.running.pop(name)[0].end()

    def _start(self, command: str, setup: str, attempts: int = 3) -> tuple[Program, int]:
        """Run it on a free port; on another one if somebody took that meanwhile."""
        port = free_port()
        words = self.words(command, port)
        self._set_up(command, setup, port)
        program = Program(*words, folder=self.folder)
        try:
            _await(program, port, READY.get(program_of(command.split())))
        except AssertionError:
            program.end()
            if attempts == 1:
                raise
            return self._start(command, setup, attempts - 1)
        return program, port

    def _set_up(self, command: str, setup: str, port: int) -> None:
        """Write the configuration file of a command, and what else its program needs."""
        if setup:
            text = setup.replace("PORT", str(port))
            (self.folder / _file_of(command)).write_text(prepared.filled(text, self.folder, self._elsewhere))
        prepared.prepare(program_of(command.split()), self.folder)

    @cached_property
    def _elsewhere(self) -> Path:
        """A folder that other users may enter too."""
        return prepared.open_folder()

    def words(self, command: str, port: int) -> list[str]:
        """A command as words, its program as it is found here."""
        for written, moment in MOMENTS.items():
            command = command.replace(written, str(int((people.NOW + moment).timestamp())))
        words = shlex.split(command.replace("PORT", str(port)).replace("FOLDER", str(self.folder)))
        if words[0] == "tlslite-peer":
            return [sys.executable, str(Path(__file__).with_name("tlslite_peer.py")), *words[1:]]
        place = words.index(program_of(words))
        words[place] = self._found(words[place])
        return words

    def _found(self, program: str) -> str:
        match program:
            case "python3":
                return sys.executable
            case "go-peer":
                return self.go()
            case _:
                return peers.find(program)

    @contextmanager
    def calling(self, command: str, says: str, port: int, setup: str = "") -> Iterator[None]:
        """Run a client while the block lasts; it is told at once what to say when it is connected."""
        words = self.words(command, port)
        self._set_up(command, setup, port)
        with running(*words, folder=self.folder) as program:
            program.say(says)
            yield

    def say(self, command: str, setup: str, text: str) -> None:
        """Type something into a server that runs."""
        self.running[f"{command}\n{setup}"][0].say(text)

    def stop(self, command: str, setup: str = "") -> None:
        """End a server that runs."""
        self.running.pop(f"{command}\n{setup}")[0].end()

    def close(self) -> None:
        for program, _ in self.running.values():
            program.end()
        self.running.clear()
        if "_elsewhere" in self.__dict__:
            shutil.rmtree(self._elsewhere, ignore_errors=True)


def _file_of(command: str) -> str:
    """The configuration file that a command names."""
    return Path(next(word for word in shlex.split(command) if word.endswith((".conf", ".cfg", ".lua")))).name


def _await(program: Program, port: int, word: str | None) -> None:
    """Wait until a server listens: by what it says, or by trying."""
    if word is not None:
        program.until(word)
    else:
        program.until_it_listens(port, SECONDS)


# -- us as a client ----------------------------------------------------------------------------------------

Prelude = Callable[[socket.socket], None]
FILES = Files("my.pem", "my.key", "ca.pem")


def as_client(
    port: int,
    ours: Mapping[str, Any],
    name: str = HOST,
    *,
    request: bytes = REQUEST,
    before: Prelude | None = None,
    then: Callable[[], None] | None = None,
    patience: float = SECONDS,
    probing: bool = False,
    starttls: str = "",
    enough: bytes | None = None,
) -> Explanation | None:
    """Connect, ask, and have explained how that failed; None if it did not.

    before: what is said on the socket before TLS, in the words of the protocol `starttls`.  then: what happens when we
    are connected.  patience: seconds that an answer may take.  enough: an answer with this in it that refuses nothing
    will do; None: all until the end.
    """
    config = ClientConfig(**{"anchors": people.anchors(), **ours})
    host = name if name == "127.0.0.1" or name.endswith(".invalid") else HOST
    observed = HandshakeFacts(config, name, address=f"{host}:{port}", files=FILES, starttls=starttls)
    printed = bytearray()
    try:
        sock = connected_socket(host if host.endswith(".invalid") else HOST, port, SECONDS)
        with sock:
            if before is not None:
                before(sock)
            with wrap(sock, config, name, timeout=SECONDS, observer=observed) as channel:
                if then is not None:
                    then()
                channel.settimeout(patience)
                return _asked(channel, request, observed, enough, printed)
    except (TLSError, OSError) as error:
        place = Target(HOST, port, server_name(name))
        found = probe(place, SECONDS) if probing else None
        return explain_ended(bytes(printed), error, replace(observed.situation(), probed=found))


def _asked(
    channel: Channel, request: bytes, observed: HandshakeFacts, enough: bytes | None, printed: bytearray
) -> Explanation | None:
    """Ask, and read what comes into `printed`: a refusal in the service's own words, or all until the end."""
    channel.sendall(request)
    while True:
        data = channel.recv(4096)
        printed += data[: LOOKED_AT - len(printed)]
        found = explain_answer(bytes(printed), observed.situation())
        if found is not None or not data or (enough is not None and enough in printed):
            return found


# -- us as a server ----------------------------------------------------------------------------------------


def as_server(
    ours: Mapping[str, Any],
    caller: Callable[[int], AbstractContextManager[None]],
    *,
    browser: bool = False,
    content: bool = False,
) -> Explanation | None:
    """Be called once, and have explained how that failed; None if it did not.

    browser: the client opens connections ahead of its need and may close one unused; that is not the failure.
    content: whatever it says when it is connected will do.
    """
    settings = {"credentials": people.person("server").credentials, **ours}
    if settings.get("client_auth") != "none":
        settings = {"client_anchors": people.anchors()} | settings
    config = ServerConfig(**settings)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(COMES)
        with caller(listener.getsockname()[1]):
            sock, address = listener.accept()
            while browser and not _speaks(sock):
                sock.close()
                sock, address = listener.accept()
            return _serve(sock, address, config, content=content)


def _speaks(sock: socket.socket) -> bool:
    sock.settimeout(SECONDS)
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except ConnectionError:
        return False


def _serve(
    sock: socket.socket, address: tuple[str, int], config: ServerConfig, *, content: bool
) -> Explanation | None:
    here = sock.getsockname()[0]
    observed = HandshakeFacts(config, address=f"{address[0]}:{address[1]}", files=FILES, local=here)
    try:
        with wrap(sock, config, timeout=SECONDS, observer=observed) as channel:
            channel.settimeout(SECONDS)
            while (data := channel.recv(4096)) and not content:
                channel.sendall(data)
    except (TLSError, OSError) as error:
        return explain(error, observed.situation())
    return None


# -- a line that is cut ------------------------------------------------------------------------------------


class Cutter:
    """A device on the way that passes so many bytes each way, and then cuts with a reset or an end of file."""

    def __init__(self, port: int, *, to_server: int, to_client: int) -> None:
        self._target = port
        self._limits = to_server, to_client
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._pass, daemon=True)
        self._thread.start()

    def _pass(self) -> None:
        near, _ = self._listener.accept()
        far = socket.create_connection(("127.0.0.1", self._target))
        ways = (near, far, self._limits[0]), (far, near, self._limits[1])
        ended = threading.Event()
        threads = [threading.Thread(target=_carry, args=(*way, ended), daemon=True) for way in ways]
        for thread in threads:
            thread.start()
        ended.wait(SECONDS)
        for sock in (near, far):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(SECONDS)
        near.close()
        far.close()

    def close(self) -> None:
        self._thread.join(SECONDS)
        self._listener.close()


def _carry(source: socket.socket, target: socket.socket, limit: int, ended: threading.Event) -> None:
    """Carry up to `limit` bytes one way."""
    try:
        while limit > 0 and (data := source.recv(min(limit, 65536))):
            target.sendall(data)
            limit -= len(data)
    except OSError:
        pass
    ended.set()


@contextmanager
def cut(port: int, to_server: int, to_client: int) -> Iterator[int]:
    """Put a device before a server that cuts after so many bytes; yields where to connect."""
    device = Cutter(port, to_server=to_server, to_client=to_client)
    try:
        yield device.port
    finally:
        device.close()
