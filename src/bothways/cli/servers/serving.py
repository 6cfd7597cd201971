"""The clients of `serve`: each from its first record to the report of its end."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import signal
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from bothways.aio.answers import own_finder
from bothways.aio.watch import Watch
from bothways.cli.options.pictures import LadderFile
from bothways.cli.output.terminal import bounded, headline, say
from bothways.cli.servers.admission import ServeAdmission, ServedClient
from bothways.cli.servers.arrivals import ServeArrival
from bothways.cli.servers.reports import Reports
from bothways.cli.servers.services import BackendFailed, ServedProtocol, Service
from bothways.describe.escape import visible
from bothways.describe.names import peer_name
from bothways.describe.recorder import Recorder
from bothways.diagnosis import Explanation, Files, HandshakeFacts, Weight
from bothways.diagnosis.failure import explain_backend, explain_departure, explain_failure
from bothways.diagnosis.near_names import is_address
from bothways.diagnosis.observer import asked_and_shown
from bothways.errors import StartTLSFailed, TLSError, Truncated
from bothways.servers.garbage import GarbageCollection
from bothways.servers.listening import ACCEPTED_AT_ONCE, BACKLOG
from bothways.servers.shortage import report_shortages
from bothways.starttls import Accepted
from bothways.tls.config import ServerConfig
from bothways.tls.connection import Connection
from bothways.tls.driver import LINGER_SECONDS, ConnectionStatus
from bothways.tls.handshake.server.start import ProtocolRequired, ServiceRequest
from bothways.trust.verdict import Outcome

HELLO_SECONDS = 10.0  # seconds for the ClientHello; the time limit of the handshake starts after it
LAST_TURNS = 8  # turns of the event loop in which everything is ended
NOTHING_SENT = "the client closed the connection before it sent anything"
RESET = "the client reset the connection at once, before its address was read"
WITHOUT_A_WORD = "the client sent nothing after the handshake, and closed the connection"
SO_DO = (
    "health checks do so, and clients that refuse our certificate only then: for its CA or its chain (nginx "
    "proxy_ssl_verify), its name (curl, nginx proxy_ssl_name) or its key (pinned keys)"
)
DEPARTURES = (
    1024  # clients whose departure was explained: of the next one of the same kind only a sentence is said
)


@dataclass(frozen=True, slots=True, eq=False)
class Engaged:
    """A client whose handshake has begun. own_name: our address on the connection, as the system has it, if it does."""

    arrival: ServeArrival
    client: ServedClient
    service: Service
    tls: ServedProtocol
    recorder: Recorder | None
    own_name: object

    @property
    def local(self) -> str:
        """Our own IP address of the connection; "" if there is none."""
        host = self.own_name[0] if isinstance(self.own_name, tuple) else ""
        try:
            address = ipaddress.ip_address(str(host).partition("%")[0])
        except ValueError:
            return ""
        return str(getattr(address, "ipv4_mapped", None) or address)


class Serving:
    """Serves clients until a signal comes.

    service: makes what is done for one client.  starttls: the protocol in which clients request TLS first, if they do.
    may_serve: whether our certificate may be shown now; None where it always may.
    """

    def __init__(
        self,
        config: ServerConfig,
        files: Files,
        service: Callable[[], Service],
        picture: LadderFile | None,
        reports: Reports,
        admission: ServeAdmission,
        starttls: Accepted | None = None,
        may_serve: Callable[[], bool] | None = None,
    ) -> None:
        self._config = config
        self._files = files
        self._service = service
        self._picture = picture
        self._reports = reports
        self._admission = admission
        self._starttls = starttls
        self._may_serve = may_serve
        self._watch = Watch(config.settings)
        self._finder = own_finder(config.settings)
        self._tasks: dict[asyncio.Task[None], ServeArrival] = {}
        self._own_name: object = None
        self._is_ending = False
        self._arrivals: set[ServeArrival] = set()
        self._departures: set[str] = set()

    async def run(self, listener: socket.socket, ready: Callable[[], None]) -> None:
        """Serve on a listening socket until SIGINT or SIGTERM; `ready` is called when it does."""
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, stop.set)
        report_shortages(loop, say)
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # all connections to it inherit that
        self._own_name = _own_name(listener)
        server = await loop.create_server(self._arrival, sock=listener, backlog=ACCEPTED_AT_ONCE)
        listener.listen(BACKLOG)  # asyncio would also accept that many connections in one turn of the loop
        with GarbageCollection(lambda: sum(self._admission.taken())):
            ready()
            await stop.wait()
        self._is_ending = True
        server.close()
        for _ in range(LAST_TURNS):  # transports close, and connections that are accepted already arrive
            for task in tuple(self._tasks):
                task.cancel()
            for arrival in tuple(self._arrivals):
                arrival.leave()
            await asyncio.sleep(0)

    def _arrival(self) -> ServeArrival:
        hello_seconds = min(HELLO_SECONDS, self._config.handshake_timeout)
        return ServeArrival(
            self._admission, hello_seconds, self._begin, self._report_silence, self._arrivals, self._starttls
        )

    def _report_silence(self, client: ServedClient | None, error: Exception) -> None:
        """Report a client that sent no ClientHello; None has reset the connection, and its address is not known."""
        if client is not None and client.ended:
            self._reports.count_unreported()
            return
        observed = HandshakeFacts(self._config)
        words = NOTHING_SENT if isinstance(error, Truncated) else str(error)

        def lines() -> list[str]:
            if not isinstance(error, StartTLSFailed):
                error.situation = observed.situation()  # type: ignore[attr-defined]
            return self._failure(client, error, words=RESET if client is None else words)

        self._reports.failed("" if client is None else client.address.host, lines)

    def _begin(self, arrival: ServeArrival) -> None:
        """Begin the handshake with a client, at once or when there is room for it."""
        client = arrival.client
        if client is None:
            raise TypeError("a client that was not admitted")
        if self._is_ending:
            arrival.leave()
        elif client.may_begin_now():
            self._engage(arrival, client)
        else:
            arrival.hold()
            self._start(arrival, self._wait(arrival, client))

    async def _wait(self, arrival: ServeArrival, client: ServedClient) -> None:
        """Wait until there is room for the handshake."""
        if not await client.may_begin(self._config.handshake_timeout):
            self._reports.count_unreported()
            arrival.leave()
            return
        arrival.release()
        self._engage(arrival, client)

    def _start(self, arrival: ServeArrival, work: Coroutine[object, object, None]) -> None:
        """Do a part of the work for a client in a task, which ends when the server does."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = arrival
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Close what is left, also of a task that was cancelled before it started; a defect ends no other client."""
        arrival = self._tasks.pop(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._report_defect(arrival, error)
        if task.cancelled() or error is not None:
            arrival.leave()

    def _report_defect(self, arrival: ServeArrival, error: BaseException) -> None:
        context = {"message": "a connection failed", "exception": error, "transport": arrival.transport}
        asyncio.get_running_loop().call_exception_handler(context)

    def _engage(self, arrival: ServeArrival, client: ServedClient) -> None:
        """Give the connection to TLS, with what was received; a defect ends it, and not the server."""
        try:
            self._engaged(arrival, client)
        except Exception as error:  # noqa: BLE001 - whatever it is
            self._report_defect(arrival, error)
            arrival.leave()

    def _engaged(self, arrival: ServeArrival, client: ServedClient) -> None:
        transport = arrival.transport
        if transport is None:
            raise TypeError("a client without a connection")
        service, recorder = self._service(), None if self._picture is None else Recorder()
        chosen = functools.partial(self._config_for, arrival.needs_alpn)
        is_free = arrival.needs_alpn is None and self._may_serve is None
        connection = self._config.connection(observer=recorder, select=None if is_free else chosen)
        tls = service.begin(connection, self._watch, self._finder, client)
        own_name = self._own_name or transport.get_extra_info("sockname")
        engaged = Engaged(arrival, client, service, tls, recorder, own_name)
        tls.settled = functools.partial(self._settled, engaged)
        arrival.pass_on(tls, transport)

    def _settled(self, engaged: Engaged) -> None:
        """The handshake has ended: serve the client, or report its failure."""
        if not engaged.arrival.has_left:
            self._start(engaged.arrival, self._serve(engaged))

    async def _serve(self, engaged: Engaged) -> None:
        """Serve a client whose handshake has ended; any failure is reported."""
        client, tls, connection = engaged.client, engaged.tls, engaged.tls.connection
        status = tls.driver.status
        try:
            await self._draw(engaged)
            status.raise_failure()
            if not await client.establish(self._config.handshake_timeout):
                self._reports.count_unreported()
                return
            agreed = f"TLS {connection.version}, {connection.suite}, {connection.group}"
            name = f"{client.address} is {peer_name(status.peer)} ({agreed})"
            say("\n".join(bounded([name, *self._name_lacking(connection), *_warnings(status)])))
            connection.stop_observing()  # later failures are not part of the handshake
            await engaged.service.talk(tls)
            if not connection.history.has_data:
                await asyncio.to_thread(self._report_departure, engaged)
        except (TLSError, OSError) as error:
            tls.close(LINGER_SECONDS)
            if client.ended and not client.established:
                self._reports.count_unreported()
            else:
                if getattr(error, "situation", None) is None:
                    error.situation = connection.history.facts()  # type: ignore[union-attr]
                told = functools.partial(self._failure, client, error, engaged.local)
                known = status.peer is not None
                await asyncio.to_thread(self._reports.failed, client.address.host, told, known=known)
            await tls.until_lost()
        finally:
            engaged.arrival.leave()

    def _name_lacking(self, connection: Connection) -> list[str]:
        """Return a line about a client that asked for a name which the certificate that it got does not have."""
        asked, shown = asked_and_shown(connection.history.messages)
        if asked is None or not shown:
            return []
        own = next((each for each in self._config.settings.identity.own if each.chain == shown), None)
        if own is None or own.matches(asked) or is_address(asked):
            return []
        has = ", ".join((*own.names.dns, *own.names.ip)) or own.names.subject
        text = f"it asked for {asked}, and our certificate is for {has}: clients that compare names refuse it"
        return [f"    warning: {visible(text, 600)}"]

    def _report_departure(self, engaged: Engaged) -> None:
        """Report a client that closed in order without a word, with what is wrong with our certificate for it."""
        client, facts = engaged.client, engaged.tls.connection.history.facts()
        if facts is None:
            return
        why = explain_departure(facts, files=self._files, address=str(client.address), local=engaged.local)
        is_known = why is not None and why.first.weight is not Weight.POSSIBLE
        said, more = WITHOUT_A_WORD, [SO_DO]
        if why is not None and (is_known or self._is_news(client.address.host)):
            said, more = why.happened if is_known else WITHOUT_A_WORD, why.lines()
        lines = [f"{client.address} ended: {said}", *(f"    {line}" for line in more)]
        self._reports.failed(client.address.host, lambda: lines, known=facts.complete and client.established)

    def _is_news(self, host: str) -> bool:
        """Whether no client of this host has left so that was explained, among the last of them."""
        if host in self._departures:
            return False
        if len(self._departures) >= DEPARTURES:
            self._departures.clear()
        self._departures.add(host)
        return True

    def _config_for(
        self, protocol: str | None, asked: ServiceRequest
    ) -> ServerConfig | ProtocolRequired | None:
        """Return the configuration for a client; anything else refuses it.

        protocol: what one that began with TLS at once has to offer by ALPN; None asks for nothing.
        """
        if self._may_serve is not None and not self._may_serve():
            return None
        if protocol is None or protocol.encode() in (asked.protocols or ()):
            return self._config
        return ProtocolRequired((protocol.encode(),))

    async def _draw(self, engaged: Engaged) -> None:
        """Write the ladder diagram of a handshake that has ended, also by a failure, if requested."""
        recorder, failure = engaged.recorder, engaged.tls.driver.status.failure
        if recorder is None or self._picture is None:
            return
        recorder.stop()
        why = None if failure is None else self._explained(engaged.client, failure, engaged.local)
        await asyncio.to_thread(self._picture.write, server=recorder, server_error=failure, server_causes=why)

    def _failure(
        self, client: ServedClient | None, error: Exception, local: str = "", words: str = ""
    ) -> list[str]:
        """Return lines about what ended a connection, and its causes."""
        who = _who(client)
        if client is not None and client.ended:
            return [f"{who} ended: its place was given to an address with fewer connections"]
        causes = self._explained(client, error, local).lines()
        return [f"{who} ended: {words or headline(error)}", *(f"    {line}" for line in causes)]

    def _explained(self, client: ServedClient | None, error: Exception, local: str) -> Explanation:
        if isinstance(error, BackendFailed):
            return explain_backend(error.problem, str(error.address))
        address = "" if client is None else str(client.address)
        return explain_failure(error, files=self._files, address=address, local=local)


def _own_name(listener: socket.socket) -> object:
    """Return the address of every connection to a listening socket; None where each may have another."""
    name = listener.getsockname()
    return (
        None
        if not isinstance(name, tuple) or ipaddress.ip_address(name[0].partition("%")[0]).is_unspecified
        else name
    )


def _warnings(status: ConnectionStatus) -> list[str]:
    """Return lines with the warnings about an accepted client."""
    lines = [f"    warning: {each}" for each in status.warnings]
    findings = () if status.peer is None else status.peer.verdict.findings
    unknown = [each.text for each in findings if each.outcome is Outcome.UNKNOWN]
    return lines + [f"    3.3c {visible(text, 600)}" for text in unknown]


def _who(client: ServedClient | None) -> str:
    """Return the address of a client; None has reset its connection before that was read."""
    return "a client" if client is None else str(client.address)
