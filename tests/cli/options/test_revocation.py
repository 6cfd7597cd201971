"""The options about revocation."""

from __future__ import annotations

import pytest

from bothways import ConfigError
from bothways.cli.options.revocation import Sources


def test_a_preset_without_a_source_is_refused_and_none_asks_nothing():
    """Most of them."""
    assert Sources((), None).load() is None
    assert Sources((), "staple").load() is not None
    with pytest.raises(
        ConfigError, match="--revocation require requires a source: CRLs .--crl FILE., or --fetch"
    ):
        Sources((), "require").load()


def test_fetching_is_asked_for_by_name_and_reported_at_once_where_it_cannot_work(tmp_path, capsys):
    """Naming it asks for revocation, as naming a list does."""
    policy = Sources(fetch=True, fetch_allow=("10.0.0.0/8",), fetch_cache=str(tmp_path / "kept")).load()
    assert (
        policy.fetch.allow == ("10.0.0.0/8",) and policy.unknown == "refuse" and (tmp_path / "kept").is_dir()
    )
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot keep evidence there"):
        Sources(fetch=True, fetch_cache=str(tmp_path / "file" / "kept")).load()
    with pytest.raises(SystemExit):
        Sources(fetch_cache=str(tmp_path)).load()
    assert "--fetch-allow and --fetch-cache have an effect only with --fetch" in capsys.readouterr().err
