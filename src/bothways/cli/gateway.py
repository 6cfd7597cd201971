"""`bothways gateway`: verified clients in front of services, by the routes of one file."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from bothways.audit_chain import ChainBroken, Head
from bothways.cli.options.audit_head import head_option
from bothways.cli.options.tickets import Tickets, tickets_options
from bothways.cli.options.types import FILE
from bothways.cli.output.terminal import DONE, FAILED, refuse, report_error, say
from bothways.cli.servers.gateway_file import serve_file
from bothways.counts import counted
from bothways.describe.escape import visible
from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.gateway.config.gateway import GatewayConfig, read_config
from bothways.gateway.observe.audit_file import check_usable, verified
from bothways.gateway.routes.explain import RouteAnswer, RuleAnswer, explained
from bothways.gateway.routes.routes import Routes, load_routes
from bothways.trust import files
from bothways.trust.certificate.files import certificates_in
from bothways.trust.verdict import Names, Refused
from bothways.workers.supervisor import MOST_WORKERS

LISTED = ("dns", "uri", "email", "ip")  # the kinds of names of which a certificate has a list
SHOWN_NAMES, NAME_LIMIT = 5, 120

config_option = click.option(
    "-c", "--config", "path", type=FILE, metavar="FILE", help="The configuration file (TOML)."
)


class _WithFile(click.Group):
    """The group of commands; tells how the file is named to somebody who names it in the place of a command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0].endswith(".toml") and not ctx.resilient_parsing:
            refuse(f"{args[0]} is no command, but a file", f"bothways gateway -c {args[0]}")
        return super().resolve_command(ctx, args)


@click.group("gateway", cls=_WithFile, invoke_without_command=True)
@config_option
@click.option(
    "--workers",
    type=click.IntRange(1, MOST_WORKERS),
    metavar="N",
    help="The number of worker processes that share the listeners.",
)
@tickets_options
@click.pass_context
def command(context: click.Context, path: str | None, workers: int | None, tickets: Tickets) -> int:
    """Connect verified clients to services without TLS, and local programs without TLS to servers (tunnels).

    Listens on this machine only unless the file says otherwise, and accepts only clients that a rule of a route
    allows. Prints `listening on ADDRESS` on standard error for each listener, then one line for each connection when
    it has ended. The configuration file, certificates, keys, CAs and CRLs are read again when they change;
    connections of clients that are no longer accepted are closed. SIGHUP reads the configuration file at once,
    SIGTERM or SIGINT waits for open connections and ends. With --workers, a process that dies is started again, and
    SIGUSR2 replaces all without losing a connection.
    """
    if context.invoked_subcommand is not None:
        context.obj = path
        return DONE
    if path is None:
        refuse("no configuration file was given", "bothways gateway -c gateway.toml")
    return serve_file(path, workers, tickets.load())


@command.command("check")
@config_option
@click.pass_context
def check(context: click.Context, path: str | None) -> int:
    """Read a configuration and every file that it names, as `gateway -c FILE` would, and start nothing.

    Exit status 0 if it can be used, 2 if not; the line, the key and what to do are on standard error.
    """
    config, routes = _read(context, path)
    for each in routes.warnings():
        say(f"warning: {each}")
    if config.audit is not None:
        _check_audit(config.path, config.audit)
    parts = [counted(len(config.listeners), "listener"), counted(len(routes.all), "route")]
    if config.tunnels:
        parts = [*(parts if config.listeners else ()), counted(len(config.tunnels), "tunnel")]
    click.echo(f"{config.path}: can be used: {', '.join(parts)}")
    for route in routes.all:
        names = ", ".join(route.config.server_names or ("every name",))
        protocols = f" ({', '.join(route.config.alpn)})" if route.config.alpn else ""
        where = route.config.backend or "the status of the gateway"
        click.echo(f"  {route.config.name}: {names}{protocols} -> {where}")
    for tunnel in config.tunnels:
        named = tunnel.tls.server_name
        click.echo(f"  {tunnel.name}: {tunnel.listener.address} -> {tunnel.server} ({named})")
    return DONE


def _check_audit(path: str, audit_file: str) -> None:
    try:
        check_usable(audit_file)
    except ConfigError as error:
        raise ConfigError(f"{path}: audit.file: {error}") from None


def _read(context: click.Context, path: str | None) -> tuple[GatewayConfig, Routes]:
    """Read the file that was named before or after the name of the command."""
    path = path or context.obj
    if path is None:
        refuse("no configuration file was given", f"bothways gateway {context.info_name} -c gateway.toml")
    config = read_config(path)
    return config, load_routes(config)


@command.group("audit")
def audit() -> None:
    """The audit file of a gateway."""


@audit.command("verify")
@click.argument("path", type=FILE, metavar="FILE")
@head_option
def verify_audit(path: str, noted: Head | None) -> int:
    """Verify that nothing in FILE was altered or removed since it was written. The exit status is 1 if anything was.

    Each entry contains the hash of the one before. Somebody who can write to the file could replace
    all of it: note the printed head elsewhere, and pass it with --head.
    """
    try:
        head = verified(path, noted)
    except ChainBroken as error:
        report_error(f"{path}: {error}")
        return FAILED
    entries = counted(head.number, "entry")
    click.echo(f"{path}: intact: {entries}" + (f", head {head}" if head.number else ""))
    return DONE


@command.command("explain")
@config_option
@click.argument("cert", type=FILE, metavar="CERT")
@click.option("--route", "name", metavar="NAME", help="Use this route only.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_context
def explain(context: click.Context, path: str | None, cert: str, name: str | None, as_json: bool) -> int:
    """Print for each route whether a client with the certificate in CERT is allowed, which rule decides, and why.

    CERT is PEM (the leaf certificate first) or DER. It is verified as in a handshake, with the revocation evidence in
    files; nothing is fetched. The exit status is 0 if a route allows it, else 1.
    """
    config, routes = _read(context, path)
    chain = certificates_in(files.content(cert), cert)
    if not chain:
        refuse(f"{cert}: it contains no certificate; expected -----BEGIN CERTIFICATE-----")
    if not config.routes:
        refuse(
            f"{config.path}: it has no [[route]], whose rules would decide about a client",
            "`bothways verify CERT --purpose server --name NAME --ca FILE` verifies the server of a tunnel",
        )
    answers = explained(routes, chain, datetime.now(UTC))
    if name is not None:
        answers = [each for each in answers if each.route.config.name == name]
        if not answers:
            names = ", ".join(each.name for each in config.routes)
            refuse(f"{config.path}: no route is called {shown(name)}; there is {names}")
    if as_json:
        click.echo(json.dumps({"routes": [_answer_facts(each) for each in answers]}))
    else:
        click.echo("\n".join(line for each in answers for line in _answer_lines(each)))
    return DONE if any(each.may_pass for each in answers) else FAILED


def _answer_lines(answer: RouteAnswer) -> list[str]:
    config, verdict = answer.route.config, answer.verdict
    who = (
        visible(verdict.names.subject)
        if verdict.names is not None
        else "a certificate that cannot be decoded"
    )
    lines = [f"{config.name}: {who} {'may pass' if answer.may_pass else 'may not pass'}"]
    if isinstance(verdict, Refused):
        return lines + [f"  not trusted: {reason} ({reason.rule})" for reason in verdict.reasons]
    for rule in answer.rules:
        holds = "holds" if rule.holds else _why_not(rule, verdict.names)
        lines.append(f"  {rule.kind} {visible(rule.name)}: {holds}")
    if answer.decision is not None:
        lines.append(f"  decided: {visible(answer.decision.why)}")
    return lines


def _why_not(rule: RuleAnswer, names: Names | None) -> str:
    kind, _, outcome = (rule.failing or "").partition(": ")
    if outcome:
        return f"does not hold: the expression is {visible(outcome)}"
    if names is None or kind not in LISTED:
        return f"does not hold: another {kind}, or none"
    several = getattr(names, kind)
    more = ", ..." if len(several) > SHOWN_NAMES else ""
    texts = ", ".join(visible(each, NAME_LIMIT) for each in several[:SHOWN_NAMES]) + more
    return f"does not hold: the certificate has {f'the {kind} {texts}' if several else f'no {kind}'}"


def _answer_facts(answer: RouteAnswer) -> dict[str, object]:
    verdict, decision = answer.verdict, answer.decision
    reasons = verdict.reasons if isinstance(verdict, Refused) else ()
    return {
        "route": answer.route.config.name,
        "may_pass": answer.may_pass,
        "trusted": decision is not None,
        "reasons": [{"fault": each.fault.name, "text": str(each), "rule": each.rule} for each in reasons],
        "rules": [
            {"kind": each.kind, "name": each.name, "holds": each.holds, "failing": each.failing}
            for each in answer.rules
        ],
        "decided_by": None if decision is None else decision.rule,
        "why": None if decision is None else decision.why,
    }
