"""The options of all clients and servers."""

from __future__ import annotations

from bothways.cli.options.anchors import profile_words
from bothways.cli.options.revocation import Sources
from bothways.cli.options.side import Side


def test_the_options_that_the_commands_of_a_remedy_keep_are_those_that_were_given() -> None:
    sources = Sources(crl=("a.crl",), revocation="soft-fail", fetch=True, fetch_allow=("10.0.0.0/8",))
    side = Side("me.pem", None, "word", (), True, sources)
    named = side.files("ca.pem", *profile_words("web"))
    assert (named.cert, named.key, named.ca) == ("me.pem", "me.pem", "ca.pem")
    assert set(named.options) == {
        ("--password-file", "word"), ("--revocation", "soft-fail"), ("--crl", "a.crl"),
        ("--fetch-allow", "10.0.0.0/8"), ("--classic",), ("--fetch",), ("--profile", "web"),
    }  # fmt: skip
    assert Side(None, None, None, (), False, Sources()).files(None).options == profile_words("private") == ()
