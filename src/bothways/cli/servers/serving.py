"""The clients of `serve`: each from its first record to the report of its end."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import signal
import socket
from collections.abc import Callable

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
        self._tasks: set[asyncio.Task[None]] = set()
        self._arrivals: set[ServeArrival] = set()
        self._departures: set[str] = set()

    async def run(self, listener: socket.socket, ready: Callable[[], None]) -> None:
        """Serve on a listening socket until SIGINT or SIGTERM; `ready` is called when it does."""
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, stop.set)
        report_shortages(loop, say)
        listener.setblocking(False)
        server = await loop.create_server(self._arrival, sock=listener, backlog=ACCEPTED_AT_ONCE)
        listener.listen(BACKLOG)  # asyncio would also accept that many connections in one turn of the loop
        ready()
        await stop.wait()
        server.close()
        for _ in range(LAST_TURNS):  # transports close, and connections that are accepted already arrive
            for arrival in tuple(self._arrivals):
                arrival.leave()
            for task in tuple(self._tasks):
                task.cancel()
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
        task = asyncio.get_running_loop().create_task(self._converse(arrival))
        self._tasks.add(task)
        task.add_done_callback(functools.partial(self._ended, arrival))

    def _ended(self, arrival: ServeArrival, task: asyncio.Task[None]) -> None:
        """Close what is left, also of a task that was cancelled before it started."""
        self._tasks.discard(task)
        arrival.leave()

    async def _converse(self, arrival: ServeArrival) -> None:
        client, transport = arrival.client, arrival.transport
        if client is None or transport is None:
            raise TypeError("a client that was not admitted")
        try:
            if await client.may_begin(self._config.handshake_timeout):
                await self._serve(client, transport, arrival)
            else:
                self._reports.count_unreported()
        except Exception as error:  # noqa: BLE001 - a defect ends its own connection, not the server
            context = {"message": "a connection failed", "exception": error, "transport": transport}
            asyncio.get_running_loop().call_exception_handler(context)

    async def _serve(self, client: ServedClient, transport: asyncio.Transport, arrival: ServeArrival) -> None:
        """Do the handshake with a client and serve it; any failure is reported."""
        service, recorder = self._service(), None if self._picture is None else Recorder()
        chosen = functools.partial(self._config_for, arrival.needs_alpn)
        is_free = arrival.needs_alpn is None and self._may_serve is None
        connection = self._config.connection(observer=recorder, select=None if is_free else chosen)
        tls = service.begin(connection, self._watch, self._finder, client)
        local = _local_address(transport)
        try:
            transport.set_protocol(tls)
            tls.connection_made(transport)
            tls.data_received(bytes(arrival.data))
            if arrival.has_ended:
                tls.eof_received()
            else:
                transport.resume_reading()
            arrival.data.clear()
            await self._handshake(client, tls, recorder, local)
            if not await client.establish(self._config.handshake_timeout):
                self._reports.count_unreported()
                return
            agreed = f"TLS {connection.version}, {connection.suite}, {connection.group}"
            name = f"{client.address} is {peer_name(tls.driver.status.peer)} ({agreed})"
            warnings = [*self._name_lacking(connection), *_warnings(tls.driver.status)]
            say("\n".join(bounded([name, *warnings])))
            connection.stop_observing()  # later failures are not part of the handshake
            await service.talk(tls)
            if not connection.history.has_data:
                await asyncio.to_thread(self._report_departure, client, connection, local)
        except (TLSError, OSError) as error:
            tls.close(LINGER_SECONDS)
            if client.ended and not client.established:
                self._reports.count_unreported()
            else:
                if getattr(error, "situation", None) is None:
                    error.situation = connection.history.facts()  # type: ignore[union-attr]
                known = tls.driver.status.peer is not None
                told = functools.partial(self._failure, client, error, local)
                await asyncio.to_thread(self._reports.failed, client.address.host, told, known=known)
            await tls.until_lost()

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

    def _report_departure(self, client: ServedClient, connection: Connection, local: str) -> None:
        """Report a client that closed in order without a word, with what is wrong with our certificate for it."""
        facts = connection.history.facts()
        if facts is None:
            return
        why = explain_departure(facts, files=self._files, address=str(client.address), local=local)
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

    async def _handshake(
        self, client: ServedClient, tls: ServedProtocol, recorder: Recorder | None, local: str
    ) -> None:
        """Wait for the end of the handshake, and write its ladder diagram if requested, also after a failure."""
        await tls.until_established()
        failure = tls.driver.status.failure
        if recorder is not None and self._picture is not None:
            recorder.stop()
            why = None if failure is None else self._explained(client, failure, local)
            await asyncio.to_thread(
                self._picture.write, server=recorder, server_error=failure, server_causes=why
            )
        tls.driver.status.raise_failure()

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


def _local_address(transport: asyncio.Transport) -> str:
    """Return our own IP address of a connection, or "" if there is none."""
    name = transport.get_extra_info("sockname")
    try:
        address = ipaddress.ip_address(str(name[0]).partition("%")[0])
    except (ValueError, TypeError, IndexError):
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)


def _warnings(status: ConnectionStatus) -> list[str]:
    """Return lines with the warnings about an accepted client."""
    lines = [f"    warning: {each}" for each in status.warnings]
    findings = () if status.peer is None else status.peer.verdict.findings
    unknown = [each.text for each in findings if each.outcome is Outcome.UNKNOWN]
    return lines + [f"    3.3c {visible(text, 600)}" for text in unknown]


def _who(client: ServedClient | None) -> str:
    """Return the address of a client; None has reset its connection before that was read."""
    return "a client" if client is None else str(client.address)
