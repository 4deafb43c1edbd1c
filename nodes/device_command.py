"""A listening device: run a deployment on this machine, or pack one for another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.commands.common import JsonOption, group
from engine.console import say, say_json
from engine.errors import OssicleError

app = group(__doc__)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def run(context: typer.Context) -> None:
    """Listen with a deployment, and tell a hub what is heard; --help tells more.

    \b
    Examples:
      ossicle device run DEPLOYMENT
      ossicle device run DEPLOYMENT --source mic --hub kitchen.ticket
    """
    from nodes.hub.device import main

    raise typer.Exit(main.run(context.args, "ossicle device run"))


@app.command()
def update(
    folder: Annotated[Path, typer.Argument(help="Folder of this device's slots; made if there is none.")],
    repository: Annotated[str, typer.Option(metavar="URL", help="Where the hub serves its releases.")],
    root: Annotated[Path, typer.Option(metavar="FILE", help="The repository's first root.json, given by hand.")],
    device: Annotated[str, typer.Option(help="Name of this device; it decides when its turn comes.")],
    channel: Annotated[str, typer.Option(help="Which channel to follow.")] = "stable",
    as_json: JsonOption = False,
) -> None:
    """Look once for a new model: download what is signed, try it on golden clips, let it count.

    Exit code 1 if the model was rejected; the one before it goes on.

    \b
    Examples:
      ossicle device update /var/lib/kitchen --repository http://hub:8080/repository --root root.json --device kitchen
    """
    from nodes.hub.device.main import follow
    from nodes.hub.errors import HubError

    try:
        found = follow(folder, device, repository, root, channel)
    except HubError as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error
    if as_json:
        say_json(found)
    else:
        say(f"{found['outcome']}: {found['model'] or 'no model'}{' (' + found['why'] + ')' if found['why'] else ''}")
    if found["outcome"] == "rejected":
        raise typer.Exit(1)


@app.command()
def pack(
    deployment: Annotated[Path, typer.Argument(help="Folder of a deployment of the optimise node.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where it goes; a new folder.")],
    as_json: JsonOption = False,
) -> None:
    """Pack a deployment with its runtime for a device that has Python, numpy and paho-mqtt, nothing else.

    \b
    Examples:
      ossicle device pack DEPLOYMENT -o kitchen
    """
    from nodes.hub.device.pack import pack as write
    from nodes.hub.errors import HubError

    try:
        modules = write(deployment, out)
    except HubError as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error
    if as_json:
        say_json({"folder": str(out), "modules": list(modules)})
    else:
        say(f"{out}: copy it to the device; python3 device.pyz run . --source mic")
