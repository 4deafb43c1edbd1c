"""`ossicle server`: the background Prefect server."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.commands.common import JsonOption
from engine.console import say, say_json

app = typer.Typer(help="Start, stop and look at the background Prefect server.", no_args_is_help=True)


@app.command()
def start(
    wait: Annotated[bool, typer.Option(help="Wait until it is healthy.")] = True, as_json: JsonOption = False
) -> None:
    """Start the server, on loopback and with a token; does nothing if it runs."""
    from engine import server

    if wait:
        server.ensure()
    else:
        server.start_in_background()
    status(as_json)


@app.command()
def stop() -> None:
    """Stop the server."""
    from engine import server

    say("stopped" if server.stop() else "there was no server")


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Say whether the server runs, and where."""
    from engine import server

    found = server.status()
    where = {"pid": found.server.pid, "address": found.server.api_url} if found.server else {}
    if as_json:
        say_json({"state": found.state, **where})
    else:
        say(" ".join([found.state, *(f"{name} {value}" for name, value in where.items())]))
