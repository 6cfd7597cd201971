"""Python code that sends the same request as a command line, with one of several HTTP libraries.

It consists of fixed lines and of values written by `repr`, so that no text of a user is executed.
"""

from __future__ import annotations

from dataclasses import dataclass

from bothways.http.location import Location


@dataclass(frozen=True, slots=True)
class RequestAsCode:
    """What the code has to do. File names are as the user gave them; None for what was not given."""

    method: str
    location: Location
    headers: tuple[tuple[str, str], ...] = ()
    data: str | None = None
    data_file: str | None = None
    output: str | None = None
    ca: str | None = None
    profile: str = "private"
    cert: str | None = None
    key: str | None = None
    password_file: str | None = None
    crls: tuple[str, ...] = ()
    revocation: str | None = None
    version: str | None = None
    name: str | None = None
    timeout: float = 30.0


LIBRARIES = ("httpx", "requests", "aiohttp")


def code(library: str, wanted: RequestAsCode) -> str:
    """Return a program that sends the request; it exits with status 1 for an HTTP status from 400 on.

    library: one of LIBRARIES.
    """
    write = {"httpx": _httpx, "requests": _requests, "aiohttp": _aiohttp}[library]
    apart = ["", ""] if library != "httpx" else [""]  # two blank lines before a class or a function
    return "\n".join([*_imports(library, wanted), "", *_config(wanted), *apart, *write(wanted), ""])


def _imports(library: str, wanted: RequestAsCode) -> list[str]:
    roots = ["ClientConfig", *(["Credentials"] if wanted.cert else []), "TrustStore"]
    lines = ["import asyncio"] if library == "aiohttp" else []
    lines += ["import sys", *(["from pathlib import Path"] if _reads_files(wanted) else []), ""]
    lines += [f"import {library}", ""]
    lines += [f"from bothways import {', '.join(roots)}", "from bothways.ssl import SSLContext"]
    if _judges(wanted):
        lines.append(f"from bothways.trust import {'CRLStore, ' if wanted.crls else ''}Revocation")
    return lines


def _reads_files(wanted: RequestAsCode) -> bool:
    return any((wanted.password_file, wanted.data_file not in (None, "-"), wanted.output not in (None, "-")))


def _judges(wanted: RequestAsCode) -> bool:
    return bool(wanted.crls or wanted.revocation)


# -- configuration ---------------------------------------------------------------------------------------


def _config(wanted: RequestAsCode) -> list[str]:
    lines = ["config = ClientConfig(", f"    anchors={_anchors(wanted)},"]
    if wanted.cert is not None:
        lines.append(f"    credentials={_credentials(wanted)},")
    if _judges(wanted):
        files = ", ".join(map(repr, wanted.crls))
        arguments = [repr(wanted.revocation or "require")]
        arguments += [f"crls=CRLStore.from_files({files})"] if files else []
        lines.append(f"    revocation=Revocation.preset({', '.join(arguments)}),")
    if wanted.version is not None:
        lines.append(f"    versions=({wanted.version!r},),")
    return [*lines, ")"]


def _anchors(wanted: RequestAsCode) -> str:
    profile = "" if wanted.profile == "private" else f"profile={wanted.profile!r}"
    if wanted.ca is None:
        return f"TrustStore.system({profile})"
    return f"TrustStore.from_file({', '.join(filter(None, (repr(wanted.ca), profile)))})"


def _credentials(wanted: RequestAsCode) -> str:
    arguments = [repr(wanted.cert), *([repr(wanted.key)] if wanted.key is not None else [])]
    if wanted.password_file is not None:
        arguments.append(f'password=Path({wanted.password_file!r}).read_text("utf-8-sig").splitlines()[0]')
    return f"Credentials.from_files({', '.join(arguments)})"


# -- the request -----------------------------------------------------------------------------------------


def _arguments(wanted: RequestAsCode, body: str) -> list[str]:
    """Return method, URL, headers and body as lines of a call. body: the name of the argument for the body."""
    lines = [f"        {wanted.method!r},", f"        {str(wanted.location)!r},"]
    if wanted.headers:
        lines.append(f"        headers={_joined(wanted.headers)!r},")
    if wanted.data_file is not None:
        data = (
            "sys.stdin.buffer.read()"
            if wanted.data_file == "-"
            else f"Path({wanted.data_file!r}).read_bytes()"
        )
        lines.append(f"        {body}={data},")
    elif wanted.data is not None:
        lines.append(f"        {body}={wanted.data.encode()!r},")
    return lines


def _joined(headers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Return a dict of the headers; several with the same name become one with a list of values (RFC 9110 5.3)."""
    joined: dict[str, str] = {}
    for name, value in headers:
        known = next((each for each in joined if each.lower() == name.lower()), name)
        joined[known] = f"{joined[known]}, {value}" if known in joined else value
    return joined


def _ending(wanted: RequestAsCode, status: str, content: str) -> list[str]:
    write = "sys.stdout.buffer.write(content)"
    if wanted.output not in (None, "-"):
        write = f"Path({wanted.output!r}).write_bytes(content)"
    first = [] if content == "content" else [f"content = {content}"]
    return [*first, write, f"sys.exit(1 if {status} >= 400 else 0)"]


def _httpx(wanted: RequestAsCode) -> list[str]:
    extra = f", timeout={wanted.timeout!r}"
    return [
        f"with httpx.Client(verify=SSLContext(config), trust_env=False{extra}) as client:",
        "    response = client.request(",
        *_arguments(wanted, "content"),
        *_named(wanted, 'extensions={"sni_hostname": %r},'),
        "    )",
        *_ending(wanted, "response.status_code", "response.content"),
    ]


def _requests(wanted: RequestAsCode) -> list[str]:
    name = "" if wanted.name is None else f", server_hostname={wanted.name!r}"
    return [
        "class Adapter(requests.adapters.HTTPAdapter):",
        '    """Connections of a session, by our context."""',
        "",
        "    def init_poolmanager(self, *args, **kwargs):",
        '        """Give each pool the context that judges servers and shows who we are."""',
        f"        super().init_poolmanager(*args, ssl_context=SSLContext(config){name}, **kwargs)",
        "",
        "",
        "with requests.Session() as session:",
        "    session.trust_env = False",
        '    session.mount("https://", Adapter())',
        "    response = session.request(",
        *_arguments(wanted, "data"),
        "        allow_redirects=False,",
        f"        timeout={wanted.timeout!r},",
        "    )",
        *_ending(wanted, "response.status_code", "response.content"),
    ]


def _aiohttp(wanted: RequestAsCode) -> list[str]:
    lines = [
        "async def ask():",
        "    connector = aiohttp.TCPConnector(ssl=SSLContext(config))",
        f"    timeout = aiohttp.ClientTimeout(sock_connect={wanted.timeout!r}, sock_read={wanted.timeout!r})",
        "    async with (",
        "        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,",
        "        session.request(",
        *("    " + line for line in _arguments(wanted, "data")),
        "            allow_redirects=False,",
        *("    " + line for line in _named(wanted, "server_hostname=%r,")),
        "        ) as response,",
        "    ):",
        "        return response.status, await response.read()",
        "",
        "",
        "status, content = asyncio.run(ask())",
    ]
    return [*lines, *_ending(wanted, "status", "content")]


def _named(wanted: RequestAsCode, argument: str) -> list[str]:
    return [] if wanted.name is None else ["        " + argument % wanted.name]
