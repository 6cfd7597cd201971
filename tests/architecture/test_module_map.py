"""Each source module has a test module of its own, at the same path."""

from __future__ import annotations

from pathlib import Path

import pytest

from architecture.sources import ROOT, SOURCE

# Modules whose tests are others, and which.
ELSEWHERE = {
    "adapters/bare_socket.py": "adapters/test_ssl_socket.py",
    "adapters/configured.py": "adapters/test_context.py",
    "adapters/conversation.py": "adapters/test_ssl_object.py",
    "adapters/loading.py": "adapters/test_context.py",
    "adapters/refused_settings.py": "adapters/test_context.py",
    "adapters/refusing.py": "adapters/test_ssl_socket.py",
    "ssl.py": "adapters/test_context.py",
    "__init__.py": "architecture/test_public_names.py",
    "__main__.py": "cli/test_main.py",
    "cli/ca/release.py": "cli/test_scripts.py",
    "cli/ca/revoke.py": "cli/ca/test_find_certificate.py",
    "cli/ca/root.py": "cli/ca/test_init.py",
    "cli/ca/serve.py": "ca_server/test_app.py",
    "ca/register/values.py": "ca/register/test_register.py",
    "cli/commands.py": "cli/test_main.py",
    "cli/options/anchors.py": "cli/options/test_file_kinds.py",
    "cli/clients/connect_report.py": "cli/test_connect.py",
    "cli/demo/identities.py": "cli/demo/test_scenes.py",
    "cli/demo/mitm.py": "cli/demo/test_scenes.py",
    "cli/clients/http_request.py": "cli/test_get.py",
    "diagnosis/peer/alerts.py": "diagnosis/test_diagnose.py",
    "diagnosis/case.py": "diagnosis/test_diagnose.py",
    "diagnosis/situation.py": "diagnosis/test_observer.py",
    "diagnosis/causes.py": "diagnosis/test_diagnosis.py",
    "aio/client_requests.py": "aio/test_authentication_on_request.py",
    "aio/transport.py": "aio/test_protocol.py",
    "gateway/clients/interfaces.py": "gateway/clients/test_client.py",
    "gateway/http/body1.py": "gateway/http/test_server1.py",
    "gateway/http/server2.py": "gateway/http/test_link2.py",
    "gateway/config/authority.py": "gateway/files/test_authority_source.py",
    "gateway/config/identity.py": "gateway/config/test_gateway.py",
    "gateway/store/news_store.py": "gateway/shared/test_revocation_news.py",
    "gateway/files/sources.py": "gateway/config/test_spiffe.py",
    "gateway/before_tls/preliminary.py": "gateway/before_tls/test_opening.py",
    "gateway/relay/transported.py": "gateway/relay/test_relay.py",
    "gateway/http/services.py": "gateway/http/test_conversation.py",
    "gateway/http/counting.py": "gateway/http/test_conversation.py",
    "gateway/http/forward.py": "gateway/http/test_conversation.py",
    "gateway/http/messages.py": "gateway/http/test_server1.py",
    "gateway/http/served.py": "gateway/http/test_conversation.py",
    "ladder/html_ladder_style.py": "ladder/test_html.py",
    "net/pipe.py": "net/test_channel.py",
    "net/use.py": "net/test_signal_handlers.py",
    "starttls/accept_ldap.py": "starttls/test_accepting.py",
    "starttls/accept_lines.py": "starttls/test_accepting.py",
    "starttls/accept_postgres.py": "starttls/test_accepting.py",
    "starttls/databases.py": "starttls/test_opening.py",
    "starttls/exchange.py": "starttls/test_opening.py",
    "starttls/ldap.py": "starttls/test_opening.py",
    "starttls/lines.py": "starttls/test_opening.py",
    "starttls/xmpp.py": "starttls/test_opening.py",
    "signers/waiting.py": "signers/test_pool.py",
    "spiffe/addresses.py": "spiffe/test_workload_api.py",
    "spiffe/identities.py": "spiffe/test_workload_api.py",
    "cli/options/token_key.py": "signers/test_token.py",
    "trust/certificate/files.py": "trust/test_anchors.py",
    "trust/own_identity/chain.py": "trust/own_identity/test_credentials.py",
    "trust/own_identity/private_keys.py": "trust/own_identity/test_credentials.py",
    "tls/clock.py": "tls/test_defaults.py",
    "tls/connection_facts.py": "tls/test_connection.py",
    "tls/post_handshake/open_connection.py": "tls/post_handshake/test_certificate_requests.py",
    "tls/handshake/authentication13.py": "tls/handshake/test_faults_of_authentication.py",
    "tls/handshake/client/offer.py": "tls/test_config.py",
    "tls/handshake/server/start.py": "tls/handshake/server/test_script13.py",
    "tls/handshake/settings.py": "tls/test_config.py",
}


def test_every_module_has_tests_of_its_own() -> None:
    """So that who changes a module knows where its tests are, and a module without tests is noticed."""
    missing = []
    for path in sorted((SOURCE / "bothways").rglob("*.py")):
        inner = path.relative_to(SOURCE / "bothways")
        if inner.name == "__init__.py" and str(inner) not in ELSEWHERE and _is_empty(path):
            continue
        if not (ROOT / "tests" / _tests_of(inner)).is_file():
            missing.append(str(inner))
    assert not missing


@pytest.mark.parametrize("named", ELSEWHERE)
def test_only_modules_without_a_test_module_of_their_name_have_a_row(named: str) -> None:
    """A row that is not needed any more would hide that the tests have moved, or are gone."""
    assert (SOURCE / "bothways" / named).is_file()
    assert not (ROOT / "tests" / _named_alike(Path(named))).is_file()


def _tests_of(inner: Path) -> Path:
    if str(inner) in ELSEWHERE:
        return Path(ELSEWHERE[str(inner)])
    return _named_alike(inner)


def _named_alike(inner: Path) -> Path:
    if inner.name == "__init__.py":
        return inner.parent / "test_init.py"
    return inner.with_name(f"test_{inner.stem.strip('_')}.py")


def _is_empty(path: Path) -> bool:
    """Whether a package's file only says what the package is, and gathers names."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return not any(line.startswith(("def ", "class ", "async def ")) for line in lines)
