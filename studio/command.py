"""`ossicle studio`: the editor, or a picture of it where there is no screen."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from engine.commands.common import SetOption, open_workflow
from engine.errors import OssicleError


def command(
    file: Annotated[str, typer.Argument(help="Workflow file or the name of a shipped project.")] = "",
    values: SetOption = None,
    screenshot: Annotated[Path | None, typer.Option(metavar="OUT.png", help="Render offscreen to a picture.")] = None,
    size: Annotated[str, typer.Option(metavar="WxH", help="Size of the window.")] = "1600x1000",
    theme: Annotated[Literal["dark", "light"] | None, typer.Option(help="Dark or light.")] = None,
    select: Annotated[str, typer.Option(metavar="NODE", help="Select this node first.")] = "",
    panel: Annotated[str, typer.Option(metavar="NAME", help="Bring this panel to the front (plots, clips, …).")] = "",
    run: Annotated[bool, typer.Option("--run", help="Run the graph before the picture is taken.")] = False,
    scale: Annotated[float, typer.Option(help="Device pixels per pixel.")] = 1.0,
) -> None:
    """Open the editor, or take a picture of it.

    Examples: ossicle studio; ossicle studio keyword_spotting; ossicle studio --screenshot digits.png spoken_digits
    """
    opened = open_workflow(file, values) if file else None
    if screenshot is None:
        from studio.app import main

        raise typer.Exit(main(opened, theme))
    from studio.shot import Shot, take

    take(Shot(opened, screenshot, _size(size), theme or "dark", select, panel, run, scale))


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError as error:
        raise OssicleError(f"{text!r} is no size", "WIDTHxHEIGHT such as 1600x1000", "Correct --size") from error
    return width, height
