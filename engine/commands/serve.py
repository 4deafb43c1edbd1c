"""`ossicle serve`: the HTTP API."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer


def serve(
    folder: Annotated[Path, typer.Argument(help="Folder whose workflow files may be run.")] = Path(),
    host: Annotated[
        str, typer.Option(help="Address to listen on; other machines need one of this machine's.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 0,
) -> None:
    """Serve the HTTP API of a folder of workflows, on loopback and with a token.

    Prints one JSON line with the address and the token, then serves until stopped.

    Examples:
    ossicle serve --help
    """
    from engine import http
    from engine.runner import LocalRunner

    http.serve(folder.resolve(), LocalRunner(), secrets.token_urlsafe(24), host, port)
