"""A hub in a FIWARE world: its results in a context broker, its devices at an IoT agent."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.commands.common import JsonOption, group
from engine.console import say, say_json
from engine.errors import OssicleError

if TYPE_CHECKING:
    from nodes.hub.fiware.ngsi import Place
    from nodes.hub.fiware.service import Wishes
    from nodes.hub.home import HubHome
    from nodes.hub.store import Store

app = group(__doc__)
UrlArgument = Annotated[str, typer.Argument(metavar="URL", help="The context broker, such as http://HOST:1026.")]
FolderOption = Annotated[Path, typer.Option("--folder", metavar="FOLDER", help="Where the hub keeps everything.")]
ServiceOption = Annotated[str, typer.Option(help="Tenant at the broker (fiware-service).")]
PathOption = Annotated[str, typer.Option("--service-path", help="Part of the tenant (fiware-servicepath).")]
TokenOption = Annotated[
    Path | None, typer.Option("--token-file", metavar="FILE", help="File with the X-Auth-Token of a proxy before it.")
]
DatabaseOption = Annotated[
    Path | None, typer.Option("--database-file", metavar="FILE", help="File with the hub's PostgreSQL address.")
]
HOME = Path(".ossicle/hub")
LOOK_S = 1.0


@app.command()
def forward(
    url: UrlArgument,
    service: ServiceOption = "ossicle",
    service_path: PathOption = "/",
    token_file: TokenOption = None,
    folder: FolderOption = HOME,
    database_file: DatabaseOption = None,
    kind: Annotated[list[str] | None, typer.Option(help="Kind of event to pass on; may be repeated.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Pass on what waits, then end.")] = False,
    agent: Annotated[
        str, typer.Option(metavar="URL", help="Also provision devices at this IoT agent, for commands.")
    ] = "",
    hub: Annotated[str, typer.Option(metavar="URL", help="The hub's HTTP API, for commands.")] = "",
    host: Annotated[str, typer.Option(help="Where commands of the agent are taken.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port for them; 0 takes a free one.", min=0, max=65535)] = 0,
    announced: Annotated[str, typer.Option(metavar="URL", help="How the agent reaches that, if otherwise.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Pass a hub's results on to a context broker: one entity per event, one per device with its newest result.

    Nothing is lost: events wait in the hub's store, from the first call of this on, until the broker has them. Runs
    beside `ossicle hub serve` until stopped; `forget` ends the waiting.

    \b
    Examples:
      ossicle hub fiware forward http://127.0.0.1:1026 --once
      ossicle hub fiware forward http://orion:1026 --service lab --service-path /audio
      ossicle hub fiware forward http://orion:1026 --agent http://agent:4041 --hub http://127.0.0.1:8080
    """
    with _told():
        from nodes.hub.fiware.forward import Manner
        from nodes.hub.fiware.ngsi import Place, check_place
        from nodes.hub.fiware.service import Commanded, Wishes
        from nodes.hub.home import HubHome

        place, home = _place(url, service, service_path, token_file), HubHome(folder)
        check_place(place)
        commanded = None
        if agent:
            if not hub:
                raise OssicleError("--agent is given without --hub", "the address of the hub's HTTP API", "Add --hub")
            at = check_place(Place(agent, service, service_path, place.token))
            commanded = Commanded(at, check_place(Place(hub)).url, host, port, announced)
        wishes = Wishes(place, Manner(tuple(kind or ["result"])), commanded)
        with closing(_store(home, database_file)) as store:
            if once:
                _once(home, store, wishes, as_json)
            else:
                _until_stopped(home, store, wishes, as_json)


@app.command()
def check(
    url: UrlArgument,
    service: ServiceOption = "ossicle",
    service_path: PathOption = "/",
    token_file: TokenOption = None,
    listen: Annotated[str, typer.Option(help="Address this process listens on for notifications.")] = "127.0.0.1",
    announced: Annotated[str, typer.Option(metavar="HOST", help="How the broker reaches this, if otherwise.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Try whether a context broker does what Ossicle relies on. What is made for it is removed again.

    For your own Orion: it must reach this machine for notifications (see --listen and --announced).

    \b
    Examples:
      ossicle hub fiware check http://127.0.0.1:1026
      ossicle hub fiware check http://orion:1026 --listen 0.0.0.0 --announced myself.local
    """
    with _told():
        from nodes.hub.fiware.conformance import run
        from nodes.hub.fiware.ngsi import ContextBroker

        place = _place(url, service, service_path, token_file)
        with closing(ContextBroker(place)) as broker:
            about = broker.version()
        outcomes = run(place, listen, announced)
    if as_json:
        say_json({"broker": about, "checks": [outcome.__dict__ for outcome in outcomes]})
    else:
        say("a stub, not a context broker" if "stub" in about else f"broker: {json.dumps(about)[:200]}")
        for outcome in outcomes:
            say(f"{'ok  ' if outcome.passed else 'FAIL'} {outcome.name}{f': {outcome.found}' if outcome.found else ''}")
    if not all(outcome.passed for outcome in outcomes):
        raise typer.Exit(1)


@app.command()
def stub(
    file: Annotated[Path, typer.Argument(help="Where it keeps its entities.")],
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 0,
) -> None:
    """Serve a STUB of a context broker on loopback, to try things without Orion. It keeps little of what Orion can.

    \b
    Examples:
      ossicle hub fiware stub /tmp/broker.db --port 1026
    """
    with _told():
        from nodes.hub.fiware.served import Served
        from nodes.hub.fiware.stub import create_app

        with Served(create_app(file), port=port) as url:
            typer.echo(json.dumps({"stub": True, "url": url}))
            _wait().wait()


@app.command()
def forget(folder: FolderOption = HOME, database_file: DatabaseOption = None) -> None:
    """Let nothing wait for a context broker any more; results stay with the hub.

    \b
    Examples:
      ossicle hub fiware forget
    """
    with _told():
        from nodes.hub.home import HubHome

        with closing(_store(HubHome(folder), database_file)) as store:
            store.unfollow()
    say("nothing waits any more")


def _once(home: HubHome, store: Store, wishes: Wishes, as_json: bool) -> None:
    from nodes.hub.fiware.ngsi import ContextBroker
    from nodes.hub.fiware.service import Running, forwarder

    with closing(ContextBroker(wishes.broker)) as broker:
        made = forwarder(home, store, wishes, broker)
        made.drain()
    found = Running(made).status()
    if as_json:
        say_json(found)
    else:
        say(f"{found['sent']} events passed on, {found['refused']} refused")


def _until_stopped(home: HubHome, store: Store, wishes: Wishes, as_json: bool) -> None:
    from nodes.hub.fiware.service import running

    stopped, told = _wait(), tuple[str, ...]()
    with running(home, store, wishes) as made:
        typer.echo(json.dumps({"broker": wishes.broker.url, "waiting": len(store.waiting(1)) > 0}))
        while not stopped.wait(LOOK_S):
            if (problems := made.problems()) != told:
                told = problems
                for problem in problems:
                    say(problem, error=True)
        found = made.status()
    if as_json:
        say_json(found)


def _wait() -> threading.Event:
    """Set when this process is told to end."""
    stopped = threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
    return stopped


def _place(url: str, service: str, service_path: str, token_file: Path | None) -> Place:
    from nodes.hub.fiware.ngsi import Place

    return Place(url, service, service_path, _secret(token_file) if token_file is not None else "")


def _store(home: HubHome, database_file: Path | None) -> Store:
    if database_file is None:
        from nodes.hub.store import SqliteStore

        return SqliteStore(home.store_file)
    from nodes.hub.postgres import PostgresStore

    return PostgresStore(_secret(database_file))


def _secret(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise OssicleError(
            f"{path} cannot be read ({error.strerror})", "a file with one secret", "Correct it"
        ) from error


@contextmanager
def _told() -> Iterator[None]:
    """The library's errors in the engine's words."""
    try:
        from nodes.hub.errors import HubError

        try:
            yield
        except HubError as error:
            raise OssicleError(error.what, error.expected, error.remedy) from error
    except ModuleNotFoundError as error:
        raise OssicleError(
            f"{error.name} is not installed", "what a hub needs", "Run `pip install 'ossicle[iot,postgres]'`"
        ) from error
    except OSError as error:
        raise OssicleError(str(error), "a free port and a folder you may write to", "Choose others") from error
