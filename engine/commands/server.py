"""Start, stop or look at the background Prefect server."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.commands.common import JsonOption, group
from engine.console import say, say_json
from engine.server import Status, ensure, server_home, start_in_background, status, stop

app = group(__doc__)


@app.command()
def start(
    wait: Annotated[bool, typer.Option("--wait", help="Come back when it is healthy (some 8 s).")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start the server, unless there is one. It stays when this command ends, for every later run.

    \b
    Examples:
      ossicle server start
      ossicle server start --wait
    """
    _say(Status("healthy", ensure()) if wait else start_in_background(), as_json)


@app.command("stop")
def stop_server(as_json: JsonOption = False) -> None:
    """Stop the server.

    \b
    Examples:
      ossicle server stop
    """
    was_running = stop()
    if as_json:
        say_json({"state": "stopped", "was_running": was_running})
    else:
        say("stopped" if was_running else "there was no server")


@app.command("status")
def server_status(as_json: JsonOption = False) -> None:
    """Say whether the server is there, and where.

    \b
    Examples:
      ossicle server status
      ossicle server status --json
    """
    _say(status(), as_json)


def _say(found: Status, as_json: bool) -> None:
    server = found.server
    place = {"pid": server.pid, "address": server.api_url} if server is not None else {}
    if as_json:
        say_json({"state": found.state, **place, "log": str(server_home() / "server.log")})
    else:
        say(f"{found.state}{f' at {server.api_url} (pid {server.pid})' if server is not None else ''}")
