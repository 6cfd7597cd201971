"""pkilint's linters of PKIX, run in this process as their commands are."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Callable

from pkilint.bin import lint_crl, lint_ocsp_response, lint_pkix_cert

COMMANDS: dict[str, tuple[Callable[[list[str]], int], tuple[str, ...]]] = {
    "certificate": (lint_pkix_cert.main, ()),
    "crl": (lint_crl.main, ("-t", "CRL", "-p", "PKIX")),
    "arl": (lint_crl.main, ("-t", "ARL", "-p", "PKIX")),
    "ocsp": (lint_ocsp_response.main, ()),
}


class Named(io.BytesIO):
    """Bytes with a name, as standard input has one."""

    name = "standard input"


def findings(kind: str, der: bytes) -> set[str]:
    """What a linter finds at WARNING or above: code and message of each."""
    main, options = COMMANDS[kind]
    output, errors, before = io.StringIO(), io.StringIO(), sys.stdin
    # From standard input: of a file that it opens itself the linter leaves the closing to others.
    sys.stdin = io.TextIOWrapper(Named(der))
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            main(["lint", *options, "-s", "WARNING", "-f", "JSON", "--document-format", "DER", "-"])
    finally:
        sys.stdin = before
    assert errors.getvalue() == ""
    results = json.loads(output.getvalue())["results"]
    return {
        f"{each['code']}: {each.get('message') or ''}"
        for result in results
        for each in result["finding_descriptions"]
    }
