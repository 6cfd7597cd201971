"""Which module may know which: the arrows of docs/design.md, held on the syntax trees.

This is a statement of policy. It is changed when the design changes, on purpose and with a reason in
docs/decisions.md, never to make a build pass. Everything below is data; the six tests only apply it.
"""

from __future__ import annotations

import sys
from graphlib import CycleError, TopologicalSorter

from architecture.sources import calls, imports, modules

# Rooms from the ground up. A module imports only from rows below its own, or from its own room.
ROWS = (
    ("counts", "http2", "iana", "lazy_names", "name_lookup", "no_op", "oids", "roles"),
    ("faults",),
    ("errors",),
    ("arguments", "audit_chain"),
    ("addresses",),
    ("trust",),
    ("tls", "tokens"),
    ("describe", "ca", "fetch", "servers", "ticket_keys", "workers"),
    ("starttls", "diagnosis", "signers", "spiffe"),
    ("net", "aio"),
    ("adapters",),
    ("ssl",),
    ("ladder",),
    ("doctor", "gateway", "http", "ca_server", "testing"),
    ("cli",),
    ("__main__",),
)

# The same inside some rooms. A row may hold modules or packages; a package's modules know one another.
INSIDE = {
    "trust": (
        ("der", "files", "reported_once", "work"),
        ("names", "watched"),
        ("decoding",),
        ("certificate",),
        ("verdict",),
        ("anchors",),
        ("path",),
        ("access", "crl", "keys", "own_identity"),
        ("crl_store", "ocsp"),
        ("ocsp_store",),
        ("evidence",),
        ("crl_files", "revocation"),
        ("request",),
        ("revoked_together", "verification"),
    ),
    "tls": (
        ("wire", "crypto"),
        ("defaults", "clock"),
        ("keys", "record"),
        ("events",),
        ("guards", "resumption", "ech"),
        ("handshake",),
        ("runner", "lifecycle"),
        ("post_handshake", "incoming", "connection_facts"),
        ("connection",),
        ("config",),
        ("driver",),
    ),
    "tls.handshake": (
        (
            "access",
            "certificate_compression",
            "negotiation",
            "oid_filters",
            "own_credentials",
            "proofs",
            "steps",
        ),
        ("alert_meanings", "message_io", "settings"),
        ("certificate_types", "identity_fields", "outcome", "session_binding"),
        ("credentials", "history"),
        ("context", "negotiation12"),
        ("authentication12", "record_size", "script"),
        ("authentication13", "position", "verification"),
        # neither side imports from the other
        ("client", "server"),
    ),
    "diagnosis": (
        ("causes", "near_names", "replies", "self_check", "situation", "stacks"),
        ("diagnosis", "observer"),
        ("case",),
        ("certificates", "clocks"),
        ("own_side",),
        ("own_doubts", "peer"),
        ("diagnose",),
        ("services",),
        ("foreign",),
        ("failure",),
    ),
    "gateway": (
        ("access", "log", "proxy_protocol", "store"),
        ("config", "relay"),
        ("files", "listeners"),
        ("observe",),
        ("routes",),
        ("http", "shared"),
        ("clients",),
        ("before_tls", "tunnels"),
        ("server",),
        ("reload",),
        ("processes",),
    ),
    "cli": (
        ("output",),
        ("options",),
        ("clients", "servers"),
        ("commands",),
        # one for each command
        (
            "ca",
            "connect",
            "demo",
            "doctor",
            "gateway",
            "get",
            "run",
            "serve",
            "show",
            "tunnel",
            "verify",
        ),
        ("__main__",),
    ),
}

# No module imports itself by way of others, also inside a room that has no rows ...
# ... but where it is said, and then for type checkers only:
IN_CIRCLES = {
    ("aio.transport", "aio.protocol"): "users of a transport find the properties of its connection in `tls`",
}

# What the engine and trust never touch: no I/O, no clock, no randomness ...
PURE = ("trust", "tls")
IMPURE_MODULES = {"socket", "ssl", "asyncio", "threading", "os", "time", "random", "secrets", "subprocess"}
IMPURE_CALLS = {
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "open",
    "Path.open",
    "input",
}
# ... but where it is said:
EXEMPT = {
    "tls.defaults": "names the clock and the entropy",
    "trust.files": "reads the files that credentials and anchors are loaded from",
}

# Randomness that `cryptography` draws by itself: only where replay can answer for it.
DRAWING = {"generate", "generate_private_key", "encapsulate"}
DRAWS_IN = "tls.crypto"

# Distributions that a room may import beside the standard library. The base install has `cryptography` alone.
BASE = {"cryptography"}
EXTRAS = {
    "cli": {"click", "rich"},
    # Algorithms for certificates that a configuration names, or that its installation has: never needed.
    "tls": {"brotli", "zstandard"},
    # Rules that are expressions: where a configuration has them.
    "trust": {"cel_expr_python"},
    "ca": {"sqlalchemy", "pkcs11"},  # pkcs11: to generate keys
    "signers": {"pkcs11"},
    "ca_server": {"starlette", "prometheus_client", "uvicorn", "h11"},
    "fetch": {"httpcore"},
    "gateway": {"h11", "h2", "opentelemetry", "prometheus_client"},
    "http": {"httpcore", "starlette"},
    "http2": {"h2", "hpack"},
    "spiffe": {"h2"},
    "ticket_keys": {"redis"},
    "tokens": {"pkcs11"},
    "testing": {"pytest"},
}


def test_every_module_stands_in_a_row() -> None:
    """A new room or a new module has to be given its place first."""
    rooms = {room for row in ROWS for room in row}
    homeless = [name for name in modules() if name != "bothways" and _inner(name)[0] not in rooms]
    for room, rows in INSIDE.items():
        known = {module for row in rows for module in row}
        within = [
            name.removeprefix(f"bothways.{room}.")
            for name in modules()
            if name.startswith(f"bothways.{room}.")
        ]
        homeless += [f"{room}.{name}" for name in within if name.partition(".")[0] not in known]
    assert not homeless


def test_modules_import_only_from_rows_below() -> None:
    """No arrow points up or sideways, between rooms and inside trust and tls."""
    wrong = []
    for name, tree in modules().items():
        for imported in imports(tree):
            if imported.module.startswith("bothways.") and name != "bothways":
                problem = _problem(_inner(name), _inner(imported.module))
                if problem:
                    wrong.append(f"{name}:{imported.line} imports {imported.module}: {problem}")
    assert not wrong


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Neither when it is loaded, nor inside a function, nor for type checkers."""
    known = modules()
    graph = {
        name: {each.module for each in imports(tree) if each.module in known} for name, tree in known.items()
    }
    for importer, imported in IN_CIRCLES:
        graph[f"bothways.{importer}"].remove(f"bothways.{imported}")  # one that is not needed is refused
        assert f"bothways.{importer}" in graph[f"bothways.{imported}"]
    circles: list[str] = []
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circles = error.args[1]
    assert not circles


def test_nobody_inside_imports_the_package_root() -> None:
    """The root gathers the public names for users; inside, modules are named by their full path."""
    wrong = [
        f"{name}:{imported.line}"
        for name, tree in modules().items()
        for imported in imports(tree)
        if imported.module == "bothways"
    ]
    assert not wrong


def test_trust_and_engine_touch_no_io_no_clock_and_no_randomness() -> None:
    """Clock and entropy are injected; sockets and files are other rooms' work."""
    wrong = []
    for name, tree in modules().items():
        inner = ".".join(_inner(name))
        if inner.split(".")[0] not in PURE:
            continue
        if inner not in EXEMPT:
            wrong += [
                f"{name}:{found.line} imports {found.module}"
                for found in imports(tree)
                if found.module.split(".")[0] in IMPURE_MODULES
            ]
            wrong += [f"{name}:{line} calls {call}" for call, line in calls(tree) if call in IMPURE_CALLS]
        if not inner.startswith(DRAWS_IN):
            wrong += [
                f"{name}:{line} calls {call}" for call, line in calls(tree) if call.split(".")[-1] in DRAWING
            ]
    assert not wrong
    assert {f"bothways.{exempt}" for exempt in EXEMPT} <= set(modules()), "an exemption that nobody needs"


def test_rooms_import_only_the_distributions_that_their_extra_brings() -> None:
    """`pip install bothways` brings `cryptography` alone, and the engine runs on it."""
    wrong = []
    for name, tree in modules().items():
        room = _inner(name)[0]
        allowed = BASE | EXTRAS.get(room, set()) | sys.stdlib_module_names | {"bothways"}
        wrong += [
            f"{name}:{found.line} imports {found.module}"
            for found in imports(tree)
            if found.module.split(".")[0] not in allowed
        ]
    assert not wrong


def _inner(dotted: str) -> list[str]:
    return dotted.split(".")[1:] or [""]


def _problem(importer: list[str], imported: list[str]) -> str:
    """Why an arrow is not allowed, or nothing: by the rows of the innermost room that has both."""
    rows: tuple[tuple[str, ...], ...] = ROWS
    for depth, (one, other) in enumerate(zip(importer, imported, strict=False), 1):
        if one != other:
            return _compare(rows, one, other)
        inner = INSIDE.get(".".join(importer[:depth]))
        if inner is None:
            return ""
        rows = inner
    return ""


def _compare(rows: tuple[tuple[str, ...], ...], importer: str, imported: str) -> str:
    place = {room: level for level, row in enumerate(rows) for room in row}
    if importer not in place or imported not in place:
        return "one of them stands in no row"
    if place[imported] < place[importer]:
        return ""
    return "sideways" if place[imported] == place[importer] else "upwards"
