"""The standard library's own tests of `ssl` and of asyncio over it, pointed at our classes.

Every case is run. Those that cannot hold stand in the table below by the reason, with what they end in: a case that
ends otherwise, or that runs after all, fails here. On a Python that is not among `MEASURED` a case that the table does
not have may end in one of its refusals too.
"""

from __future__ import annotations

import os
import random
import re
import sys
import unittest

import pytest

import standard_library as theirs

pytestmark = [pytest.mark.network, pytest.mark.filterwarnings("ignore")]
RUNNING = sys.version_info[:2]
MEASURED = ((3, 11), (3, 12), (3, 13), (3, 14))
DRAWN = 30

if not theirs.available():
    missing = f"this Python lacks its tests (Debian: libpython{RUNNING[0]}.{RUNNING[1]}-testsuite)"
    assert not os.environ.get("CI"), missing
    pytest.skip(missing, allow_module_level=True)

# Why a case cannot hold; what it ends in, as a pattern; the cases, with the Python since which there are such. A ? is
# at those that differ between patch releases of one Python: by whether they exist, or by whether they hold.
TABLE: list[tuple[str, str, str]] = [
    (
        "the configuration says which cipher suites are spoken",
        "set_ciphers: set it",
        (
            "ContextTests.test_ciphers ContextTests.test_get_ciphers SimpleBackgroundTests.test_ciphers "
            "ThreadedTests.test_dual_rsa_ecc ThreadedTests.test_ecc_cert ThreadedTests.test_no_shared_ciphers "
            "ThreadedTests.test_shared_ciphers ThreadedTests.test_psk@3.13 ThreadedTests.test_psk_tls1_3@3.13"
        ),
    ),
    (
        "keys that are shared beforehand are said in the configuration, never asked of a function",
        "set_psk_(?:client|server)_callback: ",
        "ContextTests.test_refcycle_psk_client_callback@3.13? ContextTests.test_refcycle_psk_server_callback@3.13?",
    ),
    (
        "the configuration says which groups are spoken, and none of finite fields is",
        "set_ecdh_curve: set it|load_dh_params: key exchange",
        (
            "SSLObjectTests.test_sni_callback_context_released_before_second_client_hello@3.14? "
            "ContextTests.test_set_ecdh_curve ContextTests.test_load_dh_params ThreadedTests.test_ecdh_curve "
            "ThreadedTests.test_dh_params SSLErrorTests.test_lib_reason"
        ),
    ),
    (
        "a server chooses among its credentials by the name that is asked for, and calls nobody",
        "(?:set_servername|sni)_callback: give ServerConfig",
        (
            "ContextTests.test_sni_callback ContextTests.test_sni_callback_refcycle ThreadedTests.test_sni_callback "
            "ThreadedTests.test_sni_callback_alert ThreadedTests.test_sni_callback_raising "
            "ThreadedTests.test_sni_callback_wrong_return_type SimpleBackgroundTests.test_get_server_certificate_sni "
            "SimpleBackgroundTests.test_get_server_certificate_timeout ContextTests.test_sni_callback_race@3.14? "
            "ContextTests.test_sni_callback_on_dead_references@3.13? "
            "SSLObjectTests.test_sni_callback_context_released_and_callback_raises@3.14?"
        ),
    ),
    (
        "whether clients need a certificate is said in the configuration",
        "SSLError.* != b'OK|CERT_REQUIRED: 2> != <VerifyMode.CERT_OPTIONAL",
        "TestPostHandshakeAuth.test_pha_optional_nocert TestPostHandshakeAuth.test_pha_setter",
    ),
    (
        "why a client cannot be asked for its certificate is said in our words",
        "the client cannot be asked for its certificate",
        "TestPostHandshakeAuth.test_pha_no_pha_client TestPostHandshakeAuth.test_pha_not_tls13",
    ),
    (
        "a context is for one side, and speaks the versions of its configuration",
        "a protocol for both sides|this context is for servers",
        (
            "BasicSocketTests.test_openssl111_deprecations ContextTests.test_check_hostname "
            "ContextTests.test_constructor ContextTests.test_verify_mode_protocol ThreadedTests.test_PROTOCOL_TLS "
            "ThreadedTests.test_protocol_tlsv1_2 ThreadedTests.test_echo"
        ),
    ),
    (
        "keys are written, and messages watched, by functions that the configuration or the engine takes",
        "keylog_filename: give|_msg_callback: watch",
        (
            "TestSSLDebug.test_keylog_defaults TestSSLDebug.test_keylog_filename TestSSLDebug.test_msg_callback "
            "TestSSLDebug.test_msg_callback_deadlock_bpo43577 TestSSLDebug.test_msg_callback_tls12 "
            "TestPostHandshakeAuth.test_pha_required_nocert ContextTests.test_refcycle_msg_callback@3.13? "
            "ContextTests.test_refcycle_keylog_filename@3.13?"
        ),
    ),
    (
        "options, flags and versions tell what holds, and are not taken back",
        "AssertionError",
        (
            "ContextTests.test_options ContextTests.test_verify_flags ContextTests.test_min_max_version "
            "SSLObjectTests.test_check_hostname_requires_server_hostname@3.14? "
            "ContextTests.test_num_tickest ContextTests.test_hostname_checks_common_name ThreadedTests.test_crl_check "
            "ThreadedTests.test_hostname_checks_common_name"
        ),
    ),
    (
        "nobody is spoken to who renegotiates without RFC 5746",
        "OP_LEGACY_SERVER_CONNECT: 4> is not supported",
        "ThreadedTests.test_legacy_server_connect@3.12",
    ),
    (
        "connections keep the context and the classes that made them",
        "sslsocket_class: connections|context: a connection keeps",
        "ContextTests.test_context_custom_class SimpleBackgroundTests.test_context_setget",
    ),
    (
        "what cannot be loaded is a ConfigError, with the file and what to do, in the place of an OSError or SSLError",
        "bothways.errors.UnusableFile: .*(cannot be read|neither PEM nor DER|private keys in it)",
        (
            "BasicSocketTests.test_empty_cert BasicSocketTests.test_malformed_cert BasicSocketTests.test_malformed_key "
            "ContextTests.test_load_cert_chain ContextTests.test_load_verify_cadata "
            "ContextTests.test_load_verify_locations"
        ),
    ),
    (
        "the text of a refusal is our explanation, not OpenSSL's",
        "(?:do|ask): ",
        (
            "SimpleBackgroundTests.test_connect_fail SimpleBackgroundTests.test_connect_with_context_fail "
            "ThreadedTests.test_check_hostname ThreadedTests.test_wrong_cert_tls13"
        ),
    ),
    (
        "the sentence of a refusal is ours, not OpenSSL's",
        "unable to get local issuer certificate",
        "ThreadedTests.test_ssl_cert_verify_error",
    ),
    (
        "no peer is left unverified, whose certificate `ssl` would not tell",
        r"AssertionError: (\{\} != \{|\{'subject'.* != \{\})",
        (
            "SimpleBackgroundTests.test_connect SimpleBackgroundTests.test_connect_with_context "
            "TestPostHandshakeAuth.test_bpo37428_pha_cert_none"
        ),
    ),
    (
        "anchors of a directory are read when they are loaded, not when they are met",
        r"AssertionError: Lists differ|!= \[\]",
        "SimpleBackgroundTests.test_get_ca_certs_capath",
    ),
    (
        "a client and a server that share no application protocol do not speak (RFC 7301 3.2)",
        "TypeError: 'ssl.SSLError' object is not subscriptable",
        "ThreadedTests.test_alpn_protocols",
    ),
    (
        "a name that means different names in IDNA 2003 and 2008 is refused",
        "means different names",
        "ThreadedTests.test_check_hostname_idn",
    ),
    (
        "a cut is told from an end, on which the server of the tests stops",
        "ConnectionResetError|ConnectionRefusedError",
        "SimpleBackgroundTests.test_get_server_certificate?",
    ),
    (
        "no sessions are given to other connections",
        "AttributeError: 'NoneType' object has no attribute 'id'|AssertionError: (False != None|unexpectedly None)",
        (
            "ThreadedTests.test_session ThreadedTests.test_session_handling "
            "SSLObjectTests.test_server_side_bad_params@3.14?"
        ),
    ),
    (
        "tls-unique is not given: TLS 1.3 has none",
        "unexpectedly None",
        "ThreadedTests.test_tls_unique_channel_binding",
    ),
    (
        "it looks at OpenSSL's object, which has no part here",
        "owner: OpenSSL has no part|object has no attribute .(context|get_info)|NoOpenSSL object|!= b.",
        (
            "ContextTests.test_delete_sslobject_attributes@3.14? "
            "SimpleBackgroundTests.test_bio_handshake TestPostHandshakeAuth.test_internal_chain_client "
            "TestPostHandshakeAuth.test_internal_chain_server ThreadedTests.test_version_basic"
        ),
    ),
    (
        "who is to be reached is asked for before the kind of the socket is looked at",
        "check_hostname requires server_hostname",
        "BasicSocketTests.test_unsupported_dtls",
    ),
    (
        "what would go past TLS is refused before there is a connection, too",
        "recvfrom not allowed",
        "BasicSocketTests.test_wrapped_unconnected",
    ),
]
# What ends one way or the other, by who is quicker: asyncio sends no close_notify after an end of file.
EITHER_WAY = {"TestSSL.test_shutdown_timeout_handler_not_set": "Event loop stopped before Future completed"}


def reasons_for(python: tuple[int, int]) -> dict[str, tuple[str, str]]:
    """The cases of a Python that cannot hold, each with its reason and what it ends in."""
    found = {}
    for reason, ends, cases in TABLE:
        for each in cases.split():
            case, _, since = each.rstrip("?").partition("@")
            if not since or python >= tuple(map(int, since.split("."))):
                found[case] = (reason, ends)
    return found


REASONS = reasons_for(RUNNING)
VARYING = {
    each.rstrip("?").partition("@")[0] for *_, cases in TABLE for each in cases.split() if each.endswith("?")
}
REFUSALS = "|".join(ends for _, ends, _ in TABLE if ends != "AssertionError")
ALL = list(theirs.cases())
SAMPLE = set(random.Random(12).sample(ALL, DRAWN))
# Of each reason one case is among them, so that a text of ours that changes is noticed.
SHOWN = {ends: case for case in ALL if (ends := REASONS.get(f"{case[1]}.{case[2]}", ("", ""))[1])}
SAMPLE.update(SHOWN.values())


def test_every_case_of_the_table_exists_in_the_standard_library() -> None:
    """And most of those that there are run."""
    known = {f"{title}.{name}" for _, title, name in ALL}
    assert set(REASONS) - VARYING <= known or RUNNING not in MEASURED
    assert len(ALL) - len(REASONS) > 2 * len(REASONS) * 0.8


@pytest.mark.parametrize(
    ("module", "title", "name"),
    [
        pytest.param(*case, id=f"{case[1]}.{case[2]}", marks=() if case in SAMPLE else pytest.mark.full)
        for case in ALL
    ],
)
def test_a_case_of_the_standard_library_holds_for_us_or_the_table_says_why_not(
    module: str, title: str, name: str
) -> None:
    try:
        wrong = theirs.run(module, title, name)
    except unittest.SkipTest as skipped:
        pytest.skip(f"it skips itself: {skipped}")
    if f"{title}.{name}" not in REASONS:
        if RUNNING not in MEASURED and re.search(REFUSALS, wrong):
            pytest.skip(
                "nobody has looked at the cases of this Python yet; it ends in a refusal of the table"
            )
        allowed = EITHER_WAY.get(f"{title}.{name}")
        assert not wrong or (allowed is not None and allowed in wrong), wrong
        return
    reason, ends = REASONS[f"{title}.{name}"]
    if (RUNNING not in MEASURED or f"{title}.{name}" in VARYING) and not wrong:
        pytest.skip(f"it holds on this Python, although {reason}")
    assert wrong, f"it holds after all, although {reason}"
    assert re.search(ends, wrong), wrong


def test_a_case_is_run_from_the_first_python_version_that_has_it() -> None:
    assert "ThreadedTests.test_psk" not in reasons_for((3, 12))
    assert reasons_for((3, 13))["ThreadedTests.test_psk"] == reasons_for((3, 14))["ThreadedTests.test_psk"]
    assert set(reasons_for((3, 11))) < set(reasons_for((3, 12))) < set(reasons_for((3, 13)))
