"""Check, measure and clean the store of results."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from engine.commands.common import JsonOption
from engine.console import paint, say, say_json
from engine.runs import home_of, store_of

app = typer.Typer(help="Check, measure and clean the store of results.", rich_markup_mode=None, no_args_is_help=True)
ProjectOption = Annotated[
    Path,
    typer.Option("--project", metavar="FOLDER", help="Folder of the workflow files; the current one if not given."),
]
HERE = Path()


@app.command()
def verify(
    project: ProjectOption = HERE,
    repair: Annotated[
        bool, typer.Option("--repair", help="Remove what is damaged; the next run makes it anew.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read every stored file and compare it with its digest.

    \b
    Examples:
      ossicle store verify
      ossicle store verify --repair
    """
    store = store_of(home_of(project))
    damages = store.verify(repair)
    if as_json:
        found = [{"artifact": item.content_key, "what": item.what} for item in damages]
        say_json({"artifacts": len(store.keys()), "damaged": found, "repaired": repair})
    for item in () if as_json else damages:
        say(f"{paint('✕', 'red', sys.stdout)} {item.content_key[:12]}  {item.what}")
    if not as_json:
        ending = "; removed, run again to make them anew" if repair and damages else ""
        say(f"{store.root}: {len(store.keys())} artifacts, {len(damages)} damaged{ending}")
    if damages and not repair:
        raise typer.Exit(1)
