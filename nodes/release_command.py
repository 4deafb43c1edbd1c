"""Signed models for devices: a repository, channels, staged roll-outs and the way back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.commands.common import JsonOption, group
from engine.console import say, say_json
from engine.errors import OssicleError

if TYPE_CHECKING:
    from nodes.hub.release.repository import Repository

app = group(__doc__)
FolderOption = Annotated[Path, typer.Option("--repository", metavar="FOLDER", help="What devices may read.")]
KeysOption = Annotated[
    Path, typer.Option("--keys", metavar="FOLDER", help="The signing keys; keep those of root and targets off line.")
]
ChannelOption = Annotated[str, typer.Option(help="Devices follow a channel.")]
REPOSITORY, KEYS = Path(".ossicle/hub/repository"), Path(".ossicle/keys")
MOST_GOLDEN = 8


@app.command()
def create(folder: FolderOption = REPOSITORY, keys: KeysOption = KEYS, as_json: JsonOption = False) -> None:
    """Begin a repository: three root keys, of which two must sign, and one each of targets, snapshot and timestamp.

    \b
    Examples:
      ossicle release create
      ossicle release create --repository repo --keys /media/stick/keys
    """
    with _told():
        repository = _open(folder)
        repository.create(keys)
    root = folder / "metadata" / "1.root.json"
    if as_json:
        say_json({"repository": str(folder), "keys": str(keys), "root": str(root)})
    else:
        say(f"{folder} is a repository; give devices {root}. Put {keys} on a disk of its own.")


@app.command()
def publish(
    deployment: Annotated[Path, typer.Argument(help="Folder of a deployment.")],
    channel: ChannelOption = "stable",
    share: Annotated[int, typer.Option(min=0, max=100, help="Percent of the devices that shall run it.")] = 100,
    golden: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Recordings to try it with on every device; else made sounds.")
    ] = None,
    folder: FolderOption = REPOSITORY,
    keys: KeysOption = KEYS,
    as_json: JsonOption = False,
) -> None:
    """Sign a deployment and let a share of a channel's devices run it. Publish it again with a larger share to go on.

    \b
    Examples:
      ossicle release publish DEPLOYMENT --share 10
      ossicle release publish DEPLOYMENT
    """
    from nodes.hub.device.ear import open_ear
    from nodes.hub.release.bundle import make_bundle, name_of
    from nodes.hub.release.health import golden_of

    with _told():
        facts = open_ear(deployment).facts
        clips = [] if golden is None else _clips(golden, facts.rate_hz)
        bundle = make_bundle(deployment, golden_of(deployment, clips))
        found = _open(folder).publish(keys, name_of(bundle, facts.name), bundle, channel, share)
    if as_json:
        say_json({"channel": channel, **found.__dict__})
    else:
        say(f"{found.share} % of {channel} shall run {found.model}")


@app.command()
def rollback(
    channel: ChannelOption = "stable",
    folder: FolderOption = REPOSITORY,
    keys: KeysOption = KEYS,
    as_json: JsonOption = False,
) -> None:
    """Let all devices of a channel run what they ran before, by a new signed word.

    \b
    Examples:
      ossicle release rollback --channel stable
    """
    with _told():
        found = _open(folder).rollback(keys, channel)
    if as_json:
        say_json({"channel": channel, **found.__dict__})
    else:
        say(f"{channel} goes back to {found.model}")


@app.command()
def status(
    folder: FolderOption = REPOSITORY,
    hub: Annotated[Path | None, typer.Option(metavar="FOLDER", help="The hub's folder: also show its devices.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show roles and when their word ends, channels, models, and what devices said of them.

    \b
    Examples:
      ossicle release status --hub .ossicle/hub --json
    """
    with _told():
        found = _open(folder).status() | ({"devices": _fleet(hub)} if hub is not None else {})
    if as_json:
        say_json(found)
        return
    for role, facts in found["roles"].items():
        end = f"{'over since' if facts['is_over'] else 'until'} {facts['expires']}"
        say(f"{role:<10} version {facts['version']:<4} {end}")
    for name, facts in found["channels"].items():
        say(f"{name:<10} {facts['share']} % {facts['model']}, the others {facts['before'] or 'nothing'}")
    for device, facts in found.get("devices", {}).items():
        say(f"{device:<16} {facts['outcome']:<10} {facts['model']} {facts['why']}".rstrip())


@app.command()
def rotate(
    role: Annotated[str, typer.Argument(help="targets, snapshot or timestamp.")],
    folder: FolderOption = REPOSITORY,
    keys: KeysOption = KEYS,
) -> None:
    """Replace a signing key; two root keys must be at hand. Devices follow by themselves.

    \b
    Examples:
      ossicle release rotate targets
    """
    with _told():
        _open(folder).rotate(keys, role)
    say(f"{role} has a new key; the old one is kept beside it as retired")


@app.command()
def refresh(folder: FolderOption = REPOSITORY, keys: KeysOption = KEYS) -> None:
    """Say anew that nothing is new, before the last word expires (daily). Needs the keys of snapshot and timestamp.

    \b
    Examples:
      ossicle release refresh
    """
    with _told():
        _open(folder).refresh(keys)
    say("signed anew")


def _open(folder: Path) -> Repository:
    from nodes.hub.release.repository import Repository

    return Repository(folder)


def _clips(folder: Path, rate_hz: int) -> list[Any]:
    from nodes.hub.device.source import FILES, read

    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in FILES)[:MOST_GOLDEN]
    if not files:
        raise OssicleError(f"{folder} holds no recordings", "some clips", "Correct --golden")
    return [read(file, rate_hz) for file in files]


def _fleet(folder: Path) -> Any:
    """The newest word of every device on its model."""
    from nodes.hub.home import HubHome
    from nodes.hub.release.router import fleet
    from nodes.hub.store import SqliteStore

    store = SqliteStore(HubHome(folder).store_file)
    found = fleet(store)
    store.close()
    return found


@contextmanager
def _told() -> Iterator[None]:
    try:
        from nodes.hub.errors import HubError

        try:
            yield
        except HubError as error:
            raise OssicleError(error.what, error.expected, error.remedy) from error
        except (OSError, json.JSONDecodeError) as error:
            raise OssicleError(str(error), "folders you may read and write", "Correct them") from error
    except ModuleNotFoundError as error:
        raise OssicleError(
            f"{error.name} is not installed", "what signs releases", "Run `pip install 'ossicle[iot]'`"
        ) from error
