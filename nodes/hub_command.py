"""A hub on this machine: it takes what devices hear, keeps it, and shows it."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from engine.commands.common import JsonOption, group
from engine.console import say, say_json
from engine.errors import OssicleError
from nodes.fiware_command import app as fiware

if TYPE_CHECKING:
    from fastapi import FastAPI

    from nodes.hub.hub import Hub, Settings
    from nodes.hub.store import Store

app = group(__doc__)
app.add_typer(fiware, name="fiware")
FolderOption = Annotated[Path, typer.Option("--folder", metavar="FOLDER", help="Where the hub keeps everything.")]
HOME = Path(".ossicle/hub")
FRESH_S = 3600.0


@app.command()
def serve(
    folder: FolderOption = HOME,
    host: Annotated[str, typer.Option(help="Address of the page and the API.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the page and the API; 0 takes a free one.", min=0, max=65535)] = 0,
    broker: Annotated[str, typer.Option(metavar="URL", help="A broker that runs elsewhere (mqtts://HOST:PORT).")] = "",
    user: Annotated[str, typer.Option(help="User at that broker.")] = "hub",
    password_file: Annotated[Path | None, typer.Option(help="File with the password for that broker.")] = None,
    ca: Annotated[Path | None, typer.Option(help="PEM file of the authority of that broker.")] = None,
    kind: Annotated[Literal["mosquitto", "nats"] | None, typer.Option(help="The hub's own broker.")] = None,
    broker_host: Annotated[str, typer.Option(help="Address the hub's own broker listens on.")] = "127.0.0.1",
    broker_port: Annotated[int, typer.Option(help="Port of it; 0: the one before.", min=0, max=65535)] = 0,
    workflows: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Also serve the workflows of this folder, below /workflows.")
    ] = None,
    database_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with a PostgreSQL address, to keep events there.")
    ] = None,
    keep_days: Annotated[float, typer.Option(help="Forget events older than this; 0 keeps all.", min=0)] = 0.0,
    deployment: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Also hear devices that stream their sound, with this.")
    ] = None,
    release_keys: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keys of snapshot and timestamp, to sign every hour."),
    ] = None,
) -> None:
    """Serve a hub until stopped: a broker with TLS, the store, the HTTP API and a page with live detections.

    Prints one JSON line: the page's address with the token behind #, the API's address and the broker's.

    \b
    Examples:
      ossicle hub serve
      ossicle hub serve --folder ~/hub --port 8080 --workflows .
    """
    from nodes.hub.access import Access
    from nodes.hub.hub import Settings

    with _told():
        hosts = tuple(dict.fromkeys((broker_host, "127.0.0.1", "localhost")))
        settings = Settings(kind=kind, port=broker_port, hosts=hosts, keep_days=keep_days)
        if broker:
            access = Access(user, _secret(password_file), ca, client_id="ossicle-hub")
            settings = Settings(broker=_broker(broker), access=access, keep_days=keep_days)
        _keep_fresh(folder, release_keys)
        _serve(folder, settings, _store(database_file), (host, port), Beside(workflows, deployment))


@app.command()
def enrol(
    device: Annotated[str, typer.Argument(help="Name of the device.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Where the ticket goes.")],
    folder: FolderOption = HOME,
) -> None:
    """Let a device in: write its ticket (address, name, password, certificate) to a file of mode 0600.

    The hub may run meanwhile; it lets the device in within a second.

    \b
    Examples:
      ossicle hub enrol kitchen -o kitchen.ticket
    """
    from nodes.hub.certificates import authority
    from nodes.hub.endpoint import Broker
    from nodes.hub.files import write_private
    from nodes.hub.home import HubHome

    with _told():
        home = HubHome(folder)
        authority(home.broker_folder)
        home.enrol(device)
        ticket = home.ticket(device, Broker("127.0.0.1", home.port(), tls=True))
        write_private(out, json.dumps(ticket.document(), indent=1).encode())
    say(f"{device} may connect with {out}")


@app.command()
def dismiss(device: Annotated[str, typer.Argument(help="Name of the device.")], folder: FolderOption = HOME) -> None:
    """Let a device in no more; what it said stays.

    \b
    Examples:
      ossicle hub dismiss kitchen
    """
    from nodes.hub.home import HubHome

    with _told():
        HubHome(folder).dismiss(device)
    say(f"{device} is let in no more")


@app.command()
def results(
    folder: FolderOption = HOME,
    device: Annotated[str, typer.Option(help="Of this device alone.")] = "",
    kind: Annotated[str, typer.Option(help="Kind of event; empty for all.")] = "result",
    limit: Annotated[int, typer.Option(help="How many.", min=1)] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show what devices said, the newest first.

    \b
    Examples:
      ossicle hub results --device kitchen --json
    """
    from nodes.hub.home import HubHome
    from nodes.hub.store import Question, SqliteStore

    with _told():
        store = SqliteStore(HubHome(folder).store_file)
        rows = store.events(Question(device, kind, limit=limit))
        store.close()
    if as_json:
        say_json([row.__dict__ for row in rows])
        return
    for row in rows:
        text = " ".join(f"{name}={value}" for name, value in row.body.items())
        say(f"{row.time}  {row.device:<16} {row.kind:<10} {text}")


def _store(database_file: Path | None) -> Store | None:
    """The store in PostgreSQL whose address a file holds; None for the hub's own file."""
    if database_file is None:
        return None
    from nodes.hub.postgres import PostgresStore

    return PostgresStore(_secret(database_file))


def _serve(folder: Path, settings: Settings, store: Store | None, place: tuple[str, int], beside: Beside) -> None:
    import uvicorn

    from nodes.hub.home import HubHome
    from nodes.hub.hub import Hub

    (host, port), home = place, HubHome(folder)
    hub = Hub(home, settings, store)
    hub.start()
    try:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen()
            address = f"http://{host}:{listener.getsockname()[1]}"
            found = {"page": f"{address}/#token={home.token}", "api": address, "broker": str(hub.address)}
            typer.echo(json.dumps(found))
            made = make_app(hub, (host, "127.0.0.1", "localhost"), beside)
            server = uvicorn.Server(uvicorn.Config(made, log_level="warning", timeout_graceful_shutdown=2))
            _stop_listeners(hub, server)
            server.run(sockets=[listener])
    finally:
        hub.stop()


@dataclass(frozen=True)
class Beside:
    """What a hub serves beside devices' events: a folder of workflows, a deployment that hears streams."""

    workflows: Path | None = None
    deployment: Path | None = None


def make_app(hub: Hub, hosts: Sequence[str], beside: Beside | None = None) -> FastAPI:
    """The hub's application with its page, its signed releases, and what else is asked for."""
    beside = beside or Beside()
    from starlette.staticfiles import StaticFiles

    from nodes.hub.api import Extras, create_app

    mounts: dict[str, Any] = {"/repository": StaticFiles(directory=hub.home.folder / "repository", check_dir=False)}
    public = [] if beside.deployment is None else [_listener(hub, beside.deployment)]
    if beside.workflows is not None:
        from engine import http
        from engine.runner import LocalRunner

        mounts["/workflows"] = http.create_app(beside.workflows.resolve(), hub.home.token, LocalRunner())
    return create_app(hub, hub.home.token, hosts, Extras(page(), [_releases(hub)], public, mounts))


def _releases(hub: Hub) -> Any:
    """Routes of the hub's own repository."""
    from nodes.hub.release.repository import Repository
    from nodes.hub.release.router import router

    return router(Repository(hub.home.folder / "repository"), hub.store)


def _listener(hub: Hub, deployment: Path) -> Any:
    """Routes for devices that stream; what is heard goes into the hub's store and feed."""
    from nodes.hub.device.ear import open_ear
    from nodes.hub.event import Event
    from nodes.hub.store import now
    from nodes.hub.stream.router import router
    from nodes.hub.stream.server import Listener

    open_ear(deployment)  # a broken one is told now, not to the first device

    def keep(events: Sequence[Event]) -> None:
        hub.feed.events(hub.store.commit(events, now()))

    return router(Listener(lambda: open_ear(deployment), keep), lambda: hub.home.users)


def page() -> str:
    """The page as one document."""
    from string import Template

    from engine.resource import resource
    from engine.theme import variables

    def text(name: str) -> str:
        return resource(name).read_text(encoding="utf-8")

    style = variables() + text("report/style.css") + text("hub/page.css")
    return Template(text("hub/page.html")).substitute(style=style, script=text("hub/page.js"))


def _keep_fresh(folder: Path, keys: Path | None) -> None:
    """Sign snapshot and timestamp of the releases now and every hour; without the keys somebody else must."""
    if keys is None:
        return
    from nodes.hub.errors import HubError
    from nodes.hub.release.repository import Repository

    repository = Repository(folder / "repository")
    repository.refresh(keys)

    def work() -> None:
        while True:
            time.sleep(FRESH_S)
            try:
                repository.refresh(keys)
            except HubError as error:
                say(str(error), error=True)

    threading.Thread(target=work, name="releases", daemon=True).start()


def _stop_listeners(hub: Hub, server: Any) -> None:
    """Listeners hold connections open for ever: send them home when the server is told to stop."""
    taken = server.handle_exit

    def leave(number: int, frame: Any) -> None:
        hub.feed.close()
        taken(number, frame)

    server.handle_exit = leave
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, leave)


def _broker(url: str) -> Any:
    from nodes.hub.endpoint import Broker, parse_endpoint

    found = parse_endpoint(url)
    if not isinstance(found, Broker):
        raise OssicleError(f"{url!r} is no broker", "mqtts://HOST[:PORT]", "Correct --broker")
    return found


def _secret(path: Path | None) -> str:
    try:
        return path.read_text(encoding="utf-8").strip() if path is not None else ""
    except OSError as error:
        raise OssicleError(
            f"{path} cannot be read ({error.strerror})", "a file with the password", "Correct it"
        ) from error


@contextmanager
def _told() -> Iterator[None]:
    """The library's errors in the engine's words."""
    try:
        from nodes.hub.errors import HubError
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    try:
        yield
    except HubError as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    except OSError as error:
        raise OssicleError(str(error), "a free port and a folder you may write to", "Choose others") from error


def _missing(error: ModuleNotFoundError) -> OssicleError:
    return OssicleError(
        f"{error.name} is not installed", "what a hub needs", "Run `pip install 'ossicle[iot,postgres,stream]'`"
    )
