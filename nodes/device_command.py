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
