"""Which route takes a client, and what is loaded for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization

from bothways import ConfigError
from bothways.gateway.files.held import FileReader, Making
from bothways.gateway.routes import routes as module
from bothways.gateway.routes.routes import made_routes
from bothways.tls.handshake.server.start import ServiceRequest
from gateway_talk import ANYBODY, Setting

BACKEND = f'backend = "127.0.0.1:1"\n{ANYBODY}\n'
ROUTES = (
    BACKEND + 'name = "h2"\nserver_names = ["localhost"]\nalpn = ["h2", "x"]',
    BACKEND + 'name = "plain"\nserver_names = ["localhost"]',
    BACKEND + 'name = "stars"\nserver_names = ["*.example.com"]',
    BACKEND + 'name = "second"\nlisteners = ["second"]',
)


@pytest.mark.parametrize(
    ("listener", "name", "protocols", "route"),
    [
        (0, "localhost", (b"h2",), "h2"),
        (0, "LOCALHOST", (b"y", b"x"), "h2"),
        (0, "localhost.", None, "plain"),
        (0, "localhost", (b"H2",), "plain"),
        (0, "a.example.com", None, "stars"),
        (0, "a.b.example.com", None, None),
        (0, "example.com", None, None),
        (0, "", None, None),
        (0, None, None, None),
        (0, "*.example.com", None, None),
        (1, None, None, "second"),
        (1, "anything", (b"h2",), "second"),
        (1, "localhost", None, "plain"),
    ],
)
def test_the_first_route_that_takes_a_client_is_its_route(
    setting: Setting, listener: int, name: str | None, protocols: tuple[bytes, ...] | None, route: str | None
) -> None:
    setting.write(*ROUTES)
    text = setting.path.read_text()
    setting.path.write_text(
        text.replace("[[route]]", '[[listener]]\nname = "second"\nport = 1\n[[route]]', 1)
    )
    routes = setting.load()
    address = routes.config.listeners[listener].address
    found = routes.find(address, ServiceRequest(name, protocols))
    assert (None if found is None else found.config.name) == route


def test_the_protocols_of_the_routes_for_a_name_are_known(setting: Setting) -> None:
    setting.write(*ROUTES[:1], ROUTES[2])
    routes = setting.load()
    address = routes.config.listeners[0].address
    for name, protocols in (
        ("localhost", (b"h2", b"x")),
        ("a.example.com", ()),
        ("elsewhere", ()),
        (None, ()),
    ):
        assert routes.protocols_for(address, ServiceRequest(name, None)) == protocols


def test_files_that_several_routes_name_are_read_once(setting: Setting) -> None:
    setting.write(*ROUTES[:3])
    routes = setting.load()
    assert len(routes.held.lists) == 1
    assert len({id(each.server.client_anchors) for each in routes.all}) == 1


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("pki/ca.pem", "pki/none.pem", "route h2: .*none.pem: cannot be read"),
        ("pki/crl.pem", "pki/ca.pem", "route h2: .*ca.pem"),
        ('key = "pki', 'key = "pki/client', "route h2: .*cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_reported_with_its_route(
    setting: Setting, old: str, new: str, problem: str
) -> None:
    setting.write(*ROUTES[:2])
    setting.path.write_text(setting.path.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=problem):
        setting.load()


def test_a_key_under_a_password_is_refused_with_what_to_do(setting: Setting) -> None:
    mine = setting.mutual.identity("server")
    key = serialization.load_pem_private_key(mine.key.read_bytes(), None)
    setting.write(ROUTES[0])
    mine.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"x"),
        )
    )
    with pytest.raises(
        ConfigError, match="it is encrypted, and a gateway asks nobody for a password; name a file"
    ):
        setting.load()


def test_configurations_that_will_not_work_cause_a_warning(setting: Setting) -> None:
    """A certificate that ends soon, or that does not stand for the names of its route."""
    setting.write(ROUTES[2])
    assert reported(setting.load().warnings()) == [
        "route stars: our certificate does not stand for *.example.com"
    ]
    setting.write(ROUTES[1])
    assert reported(setting.load().warnings()) == []
    soon = setting.mutual.identity("server", lifetime=timedelta(minutes=5))
    text = setting.path.read_text()
    mine = setting.mutual.identity("server")
    setting.path.write_text(
        text.replace(mine.cert.name, soon.cert.name).replace(mine.key.name, soon.key.name)
    )
    [line] = reported(setting.load().warnings())
    assert line.startswith("route plain: our certificate (CN=") and "was not renewed yet" in line


def test_what_many_routes_have_in_common_is_looked_at_once(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their certificate, and whom they trust; each route has its warnings."""
    looked: list[str] = []
    for name in ("doubts_and_renewal", "trust_warnings"):
        original = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *given, name=name, original=original: looked.append(name) or original(*given)
        )
    setting.write(*[f'{BACKEND}server_names = ["s{place}.example.com"]' for place in range(50)])
    warnings = list(setting.load().warnings())
    assert looked == ["trust_warnings", "doubts_and_renewal"]
    assert len([each for each in warnings if "our certificate does not stand for" in each]) == 50


def test_rules_that_have_not_changed_are_those_of_the_configuration_before(setting: Setting) -> None:
    """They are not compiled again."""
    rule = 'uri = ["spiffe://example.org/a/*"]\ndns = "b.example"'
    setting.write(f'backend = "127.0.0.1:1"\n[[route.allow]]\n{rule}\n[[route.deny]]\ndns = "c.example"')
    [one], [two] = setting.load().all, setting.load().all
    setting.path.write_text(setting.path.read_text().replace("c.example", "d.example"))
    [three] = setting.load().all
    for other in (two, three):
        assert other.config.access is not one.config.access
        assert one.config.access.allow[0].peers is other.config.access.allow[0].peers
    assert one.config.access.deny[0].peers is two.config.access.deny[0].peers
    assert one.config.access.deny[0].peers != three.config.access.deny[0].peers


def test_only_routes_for_a_name_are_asked_whether_they_take_a_client(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are; the first of them is taken."""
    setting.write(
        *[f'{BACKEND}server_names = ["s{place}.example.com"]' for place in range(50)],
        f'{BACKEND}name = "all"',
    )
    routes, asked = setting.load(), []
    original = module.Route.takes
    monkeypatch.setattr(
        module.Route, "takes", lambda self, *given: asked.append(self.config.name) or original(self, *given)
    )
    [listener] = routes.config.listeners
    for name, route in (("s30.example.com", "route 31"), ("other.example.com", "all"), (None, "all")):
        asked.clear()
        found = routes.find(listener.address, ServiceRequest(name, None))
        assert found is not None and found.config.name == route
        assert asked == [route]


def test_a_certificate_for_the_other_role_causes_a_warning(setting: Setting) -> None:
    """RFC 5280 4.2.1.12: clients refuse ours for it, and a service that is reached by TLS refuses it likewise."""
    mine, other = setting.mutual.identity("server"), setting.mutual.identity("client")
    to_service = f'{{ ca = "pki/ca.pem", certificate = "pki/{mine.cert.name}", key = "pki/{mine.key.name}" }}'
    setting.write(ROUTES[1] + f"\nbackend_tls = {to_service}")
    text = setting.path.read_text()
    mistaken = text.replace(mine.cert.name, other.cert.name, 1).replace(mine.key.name, other.key.name, 1)
    setting.path.write_text(mistaken)
    by_client, by_service, _ = reported(setting.load().warnings())
    assert re.fullmatch(
        "route plain: our certificate is for clientAuth.*: clients will refuse it .*", by_client
    )
    assert re.fullmatch(
        "route plain, backend_tls: our certificate is for serverAuth.*: servers will refuse it .*",
        by_service,
    )


def reported(lines: Iterable[str]) -> list[str]:
    return list(lines)


def test_revocation_is_checked_where_a_source_is_named(setting: Setting) -> None:
    setting.write(ROUTES[1], crl=False)
    [route] = setting.load().all
    assert route.server.revocation is None
    setting.write(ROUTES[1])
    [route] = setting.load().all
    assert route.server.revocation is not None
    assert route.server.judge_again == "change"
    assert route.server.client_auth == "require"
    setting.write(ROUTES[1] + '\nrevocation = "leaf"\nfetch = true\nfetch_allow = ["127.0.0.1/32"]')
    [route] = setting.load().all
    assert route.server.revocation.covers == "leaf"
    assert route.server.revocation.fetch is not None
    assert route.finder is not None
    assert (route.server.revocation.news, route.server.revocation.fetch.learned) == (None, None)
    setting.write(ROUTES[1] + '\nrevocation = "tolerant"', crl=False)
    with pytest.raises(ConfigError, match="tolerant requires a source"):
        setting.load()


def test_routes_without_revocation_judge_alike_and_unlike_one_with_it(setting: Setting) -> None:
    """So that clients stay as they are, or are verified again, when the file changes."""
    setting.write(ROUTES[1], crl=False)
    before = setting.load()
    making = Making(FileReader(), before.held, (), datetime.now(UTC), keeps=True)
    [one], [same] = before.all, made_routes(before.config, None, making).all
    assert one is not same and one.judges_like(same) and same.judges_like(one)
    setting.write(ROUTES[1])
    [other] = made_routes(setting.load().config, None, making).all
    assert other.server.client_anchors is one.server.client_anchors
    assert not one.judges_like(other) and not other.judges_like(one)


def test_all_routes_that_check_revocation_use_the_news_of_the_process(setting: Setting) -> None:
    """They stay when files are read again; without `shared_news` nobody uses or notes any."""
    (setting.folder / "secret").write_bytes(b"5" * 64)
    fetching = ROUTES[0] + "\nfetch = true"
    limits = {"shared": "redis://a", "shared_secret": "secret"}
    setting.write(fetching, ROUTES[1], limits=limits)
    before = setting.load()
    one, other = (each.server.revocation for each in before.all)
    assert one.news is other.news is before.held.news
    assert one.fetch.learned == before.held.news.learned
    making = Making(FileReader(), before.held, (), datetime.now(UTC), keeps=True)
    after = made_routes(before.config, None, making)
    assert after.all[0].server.revocation.news is before.held.news
    setting.write(fetching, ROUTES[1], limits=limits | {"shared_news": False})
    assert [each.server.revocation.news for each in setting.load().all] == [None, None]
