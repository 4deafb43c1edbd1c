"""Check, measure and clean the store of results."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from engine.commands.common import JsonOption, ProjectOption, group
from engine.console import count, paint, say, say_json, size, table
from engine.errors import OssicleError
from engine.runs import home_of, referenced, store_of

app = group(__doc__)
HERE = Path()
UNITS = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "B": 1}


@app.command()
def verify(
    project: ProjectOption = HERE,
    repair: Annotated[
        bool, typer.Option("--repair", help="Remove what is damaged; the next run makes it anew.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read every stored file and compare it with its digest. Exit code 1 if something is damaged.

    \b
    Examples:
      ossicle store verify
      ossicle store verify --repair
    """
    store = store_of(home_of(project))
    total = len(store.content_keys())
    damages = store.verify(repair)
    if as_json:
        found = [{"artifact": item.content_key, "what": item.what} for item in damages]
        say_json({"artifacts": total, "damaged": found, "repaired": repair})
    else:
        for item in damages:
            say(f"{paint('✕', 'red', sys.stdout)} {item.content_key[:12]}  {item.what}")
        ending = "; removed, run again to make them anew" if repair and damages else ""
        say(f"{store.root}: {count(total, 'artifact')}, {len(damages)} damaged{ending}")
    raise typer.Exit(1 if damages and not repair else 0)


@app.command()
def gc(
    project: ProjectOption = HERE,
    limit: Annotated[str, typer.Option(metavar="SIZE", help="Stop when the store is this small, such as 2GB.")] = "",
    keep_runs: Annotated[int, typer.Option(min=0, help="Keep what the newest runs use.")] = 10,
    dry: Annotated[bool, typer.Option("--dry", help="Say what would go; remove nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove results that no recent or pinned run uses, and what killed processes left behind.

    \b
    Examples:
      ossicle store gc --dry
      ossicle store gc --limit 2GB --keep-runs 3
    """
    from engine.collect import collect

    home = home_of(project)
    found = collect(store_of(home), referenced(home, keep_runs), _bytes(limit) if limit else None, is_rehearsal=dry)
    if as_json:
        removed = [item.content_key for item in found.removed]
        say_json(
            {"removed": removed, "freed_bytes": found.freed_bytes, "kept": found.kept, "kept_bytes": found.kept_bytes}
        )
        return
    verb = "would remove" if dry else "removed"
    gone = f"{verb} {count(len(found.removed), 'artifact')} ({size(found.freed_bytes)})"
    say(f"{gone}; {count(found.kept, 'artifact')} ({size(found.kept_bytes)}) stay")


def _bytes(text: str) -> int:
    for unit, factor in UNITS.items():
        number = text.strip().removesuffix(unit).strip()
        if number != text.strip() and number.replace(".", "", 1).isdecimal():
            return int(float(number) * factor)
    raise OssicleError(f"--limit is {text!r}", f"a number and a unit ({', '.join(UNITS)})", "Write --limit 2GB")


@app.command("size")
def store_size(project: ProjectOption = HERE, as_json: JsonOption = False) -> None:
    """Say how much room the store takes, by artifact type.

    \b
    Examples:
      ossicle store size
    """
    from engine.collect import items, size_bytes

    store = store_of(home_of(project))
    found = items(store)
    kinds = sorted({item.kind for item in found})
    rows = {kind: [item for item in found if item.kind == kind] for kind in kinds}
    if as_json:
        sizes = {kind: {"artifacts": len(some), "bytes": size_bytes(some)} for kind, some in rows.items()}
        say_json({"store": str(store.root), "bytes": size_bytes(found), "kinds": sizes})
        return
    if rows:
        lines = [(kind, str(len(some)), size(size_bytes(some))) for kind, some in rows.items()]
        say(table(("type", "artifacts", "size"), lines, right=(1, 2)))
    say(f"{store.root}: {count(len(found), 'artifact')}, {size(size_bytes(found))}")
