"""Rules in the file of a gateway that are expressions of CEL, and how `explain` reports about them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from bothways import ConfigError
from bothways.cli.gateway import command
from bothways.gateway.config.gateway import parsed_config
from gateway_talk import Setting

pytest.importorskip("cel_expr_python", reason="cel-expr-python is not installed: pip install -e '.[dev]'")

FILE = """[identity]
certificate = "c.pem"
client_ca = "ca.pem"
[[listener]]
port = 8443
[[route]]
backend = "127.0.0.1:1"
[[route.deny]]
name = "long-lived"
cel = "lifetime > 90"
[[route.allow]]
cel = "dns.exists(d, d.endsWith('.example'))"
"""


def test_a_file_has_expressions_in_its_rules(tmp_path: Path) -> None:
    [route] = parsed_config(tmp_path / "gateway.toml", FILE).routes
    assert [each.name for each in route.access.deny] == ["long-lived"]
    assert [each.name for each in route.access.allow or ()] == ["cel dns.exists(d, d.endsWith('.example'))"]
    again = parsed_config(tmp_path / "gateway.toml", FILE).routes[0]
    assert again.access == route.access
    with pytest.raises(
        ConfigError, match=r"gateway.toml, line 10: route\[1\].deny\[1\].cel: no expression of CEL"
    ):
        parsed_config(tmp_path / "gateway.toml", FILE.replace("lifetime >", "life >"))


@pytest.mark.parametrize("table", ["allow", "deny"])
def test_a_rule_about_pre_shared_keys_is_refused_since_no_client_has_one(tmp_path: Path, table: str) -> None:
    with pytest.raises(ConfigError, match=rf"line 14: route\[1\]\.{table}\[2\]\.psk: holds for nobody"):
        parsed_config(tmp_path / "gateway.toml", f'{FILE}[[route.{table}]]\npsk = "device 7"\n')


def test_a_route_has_so_many_expressions_that_all_together_cost_little(tmp_path: Path) -> None:
    more = "[[route.allow]]\ncel = 'true'\n"
    parsed_config(tmp_path / "gateway.toml", FILE + more * 6)
    with pytest.raises(ConfigError, match="9 rules with `cel` of 78 characters; at most 8 of 768"):
        parsed_config(tmp_path / "gateway.toml", FILE + more * 7)
    long = "[[route.allow]]\ncel = '" + " " * 500 + "true'\n"
    with pytest.raises(ConfigError, match="at most 8 of 768 characters together are possible"):
        parsed_config(tmp_path / "gateway.toml", FILE + long * 2)


def test_explain_says_what_an_expression_is_for_a_certificate(setting: Setting) -> None:
    rules = "[[route.allow]]\ncel = \"dns == ['x.example']\"\n[[route.allow]]\ncel = \"dns[1] == 'x'\"\n"
    setting.write('backend = "127.0.0.1:1"\n' + rules)
    who = setting.mutual.identity("client")
    done = CliRunner().invoke(command, ["explain", "-c", str(setting.path), str(who.cert)])
    assert "may not pass" in done.stdout
    assert "cel dns == ['x.example']: does not hold: the expression is false" in done.stdout
    assert "cel dns[1] == 'x': does not hold: the expression is not evaluated, " in done.stdout
    assert "size=1" in done.stdout
