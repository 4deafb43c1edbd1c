"""Picture of the hub's page: a hub, three devices that say words for a while, a headless browser. `hub_page.py OUT`."""

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from nodes.hub.access import Access
from nodes.hub.endpoint import Broker
from nodes.hub.outbox import Outbox, Said
from nodes.hub.sender import Sender
from nodes.hub.ticket import read_ticket

DEVICES, WORDS, SECONDS = ("kitchen", "hall", "porch"), ("yes", "no", "stop", "go", "left"), 75.0
BROWSER = ("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1280,800")
OSSICLE = (sys.executable, "-m", "engine.cli", "hub")


def sender(folder: Path, name: str) -> Sender:
    """A device that was let in."""
    path = folder / f"{name}.ticket"
    subprocess.run([*OSSICLE, "enrol", name, "-o", str(path), "--folder", str(folder / "hub")], check=True)
    ticket = read_ticket(path)
    ca = folder / "ca.crt"
    ca.write_text(ticket.ca)
    access = Access(name, ticket.password, ca, client_id=name)
    made = Sender(Outbox(folder / f"{name}.db"), Broker(ticket.host, ticket.port, tls=True), access, name)
    made.start()
    return made


def main(out: Path) -> None:
    """Take the picture."""
    chance = random.Random(7)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [*OSSICLE, "serve", "--folder", str(folder / "hub")]
        hub = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert hub.stdout is not None
        page, senders = json.loads(hub.stdout.readline())["page"], [sender(folder, device) for device in DEVICES]
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            body = {"label": chance.choice(WORDS), "score": round(chance.uniform(0.55, 1.0), 3)}
            chance.choice(senders).put([Said("result", body)])
            time.sleep(chance.expovariate(2.0))
        dark = "--blink-settings=preferredColorScheme=0"
        subprocess.run([*BROWSER, dark, "--virtual-time-budget=4000", f"--screenshot={out}", page], check=True)
        for one in senders:
            one.stop()
        hub.terminate()
        hub.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
