"""`ossicle bench hub`: a fleet and its hub under faults: what is lost, how fast it is, who lets what in."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from engine.bench import BenchResult, Row, at_least, at_most, machine
from engine.errors import OssicleError
from nodes.bench_hub_digits import deployment, unheard

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nodes.hub.broker import Kind
    from nodes.hub.trial import Outcome

RECORDINGS: Final = "../shared/data/fsdd"
LEAST_PER_S: Final = {"mosquitto": 3000.0, "nats": 5000.0}
PEERS: Final = {"plain paho, lost of 5,000": 627.0, "outbox cleared on PUBACK, lost of 5,000": 600.0}
"""Measured for the design of the hub: mosquitto, 5 kills of the broker, the hub slowed by 1 ms per message."""
PUBACK_PER_S: Final = 5241.0
FAULT_RATE: Final = 1250.0
"""Results per second of the whole fleet while it is killed: long enough for all kills to fall into its life."""
QUIET_RATE: Final = 1000.0
MOST_HEARD: Final = 300
"""Recordings a fleet hears before it tells of them."""


def hub(options: Mapping[str, str]) -> BenchResult:
    """Results lost under kills, rate and delay of the durable path, a roll-out under attack, a device's CPU.

    Every device and the hub keep their files on this machine's disk with every transaction synced; brokers speak TLS
    with a password per device. Everything runs on this machine at once. What devices tell are detections that their
    runtime made in real recordings, over and over; the network has learnt spoken digits just before.

    Options: `rows` ("faults,partition,rate,delay,rollout,device"), `brokers` ("mosquitto,nats"), `devices` (50),
    `results` (2000 of each device), `kills` (20 of each part), `troubles` ("partitions,loss,clocks,disks"), `cuts` (20
    partitions), `fleet` (100 devices of the roll-out), `seconds` (20 of real-time listening), `minutes` (10 of
    streaming), `recordings` (a folder of spoken digits), `deployment` (a folder, instead of the network for digits).
    """
    wanted = options.get("rows", ",".join(_MAKERS)).split(",")
    unknown = [name for name in wanted if name not in _MAKERS]
    if unknown:
        raise OssicleError(f"no rows {', '.join(unknown)}", f"some of {', '.join(_MAKERS)}", "Correct rows")
    rows = tuple(row for name in wanted for row in _MAKERS[name](options))
    return BenchResult("hub", machine(), rows)


def _faults(options: Mapping[str, str]) -> Iterator[Row]:
    from nodes.hub.simulate import Load
    from nodes.hub.trial import Faults, Trial

    devices, results, kills = (
        int(options.get(*pair)) for pair in (("devices", "50"), ("results", "2000"), ("kills", "20"))
    )
    heard = _heard(options)
    for kind in _brokers(options):
        load = Load(results, per_s=FAULT_RATE / devices, together=min(5, results))
        apart_s = 0.8 * results * devices / FAULT_RATE / max(3 * kills, 1)
        found = _run(Trial(kind, devices, 5 if devices >= 5 else 1, load, heard, Faults(kills, apart_s)))
        least = min(found.kills.values(), default=0)
        told = {**PEERS, "detections in real recordings": float(len(heard))}
        yield at_most(f"{kind}: lost of {found.said:,}", found.missing, "results", 0, told)
        yield at_most(f"{kind}: given up by devices", found.set_aside, "results", 0)
        yield at_most(f"{kind}: stored twice", found.doubled, "results", 0)
        yield at_most(f"{kind}: devices out of order", found.unordered, "devices", 0)
        yield at_least(f"{kind}: kills of broker, hub and devices each", least, "", kills)


def _partition(options: Mapping[str, str]) -> Iterator[Row]:
    """What is wrong with the devices' network, clocks or disks, one after another."""
    from nodes.hub.simulate import Load
    from nodes.hub.trial import Faults, Trial

    devices, results, cuts = (
        int(options.get(*pair)) for pair in (("devices", "50"), ("results", "2000"), ("cuts", "20"))
    )
    devices, processes = min(devices, 10), 2
    load = Load(results, per_s=FAULT_RATE / devices, together=min(5, results))
    apart_s = 0.4 * results * devices / FAULT_RATE / max(cuts, 1)
    troubles = {
        "partitions": ("partitions of the network", Faults(cuts=cuts, apart_s=apart_s, cut_s=apart_s), load),
        "loss": ("5 % of segments lost", Faults(loss=0.05), load),
        "clocks": ("clocks a year fast", Faults(), replace(load, skew_s=365 * 86_400.0)),
        "disks": ("disks that take 50 ms", Faults(), replace(load, slow_s=0.05)),
    }
    wanted = options.get("troubles", ",".join(troubles)).split(",")
    if not set(wanted) <= set(troubles):
        raise OssicleError(f"no troubles {', '.join(wanted)}", f"some of {', '.join(troubles)}", "Correct troubles")
    heard = _heard(options)
    for kind in _brokers(options):
        for chosen in wanted:
            name, trouble, own = troubles[chosen]
            found = _run(Trial(kind, devices, processes, own, heard, trouble))
            wrong = found.missing + found.doubled + found.unordered
            peers = {"stored": float(found.stored), "partitions": float(found.kills.get("network", 0))}
            yield at_most(f"{kind}: {name}: lost, stored twice or out of order", wrong, "", 0, peers)


def _rate(options: Mapping[str, str]) -> Iterator[Row]:
    from nodes.hub.simulate import Load
    from nodes.hub.trial import Trial

    heard = _heard(options)
    for kind in _brokers(options):
        found = _run(Trial(kind, 10, 1, Load(5000, together=50), heard))
        peers = {"PUBACK without durability": PUBACK_PER_S} if kind == "mosquitto" else {}
        yield at_least(f"{kind}: stored results, TLS", round(found.per_s), "1/s", LEAST_PER_S[kind], peers)


def _delay(options: Mapping[str, str]) -> Iterator[Row]:
    from nodes.hub.simulate import Load
    from nodes.hub.trial import Trial

    heard = _heard(options)
    for kind in _brokers(options):
        found = _run(Trial(kind, 10, 1, Load(1500, per_s=QUIET_RATE / 10, together=1), heard))
        delays = sorted(found.delays_ms)
        p99 = delays[min(len(delays) - 1, int(0.99 * len(delays)))]
        rate = {"median ms": statistics.median(delays), "results per second": round(found.per_s)}
        yield at_most(f"{kind}: detection to stored row, 99th percentile", round(p99, 1), "ms", 100.0, rate)


def _rollout(options: Mapping[str, str]) -> Iterator[Row]:
    from nodes.hub.rollout import ATTACKS, roll_out

    with tempfile.TemporaryDirectory(prefix="ossicle-rollout-") as name:
        folder = Path(name)
        pair = deployment(folder / "first", 1), deployment(folder / "second", 2)
        found = roll_out(pair, folder / "fleet", int(options.get("fleet", "100")))
    yield at_most(f"roll-out to {found.devices}: unverified models that ran", found.unverified, "devices", 0)
    yield at_least("roll-out: attacks refused", len(found.refused), "", len(ATTACKS))
    yield at_least(f"roll-out: of {found.ill} ill devices kept the old model", found.ill_kept_old, "devices", found.ill)
    yield at_least(f"roll-out: of {found.killed} killed devices run", found.killed_whole, "devices", found.killed)
    yield at_least("roll-out: devices that run the new model", found.installed, "devices", found.devices - found.ill)
    yield Row("roll-out: to all", round(found.rollout_s, 2), "s")
    yield at_most("roll-out: back to the old model, all", round(found.rollback_s, 2), "s", 30.0)


def _device(options: Mapping[str, str]) -> Iterator[Row]:
    """Real-time listening to real recordings, front end and network 4 times a second."""
    seconds, recordings = float(options.get("seconds", "20")), options.get("recordings", RECORDINGS)
    with tempfile.TemporaryDirectory(prefix="ossicle-device-") as name:
        sound = _sound(unheard(_files(recordings)), Path(name) / "sound.wav", seconds)
        taught = _taught(recordings, options.get("deployment", ""), Path(name) / "deployment")
        command = [
            sys.executable,
            "-m",
            "engine.cli",
            "device",
            "run",
            str(taught),
            "--source",
            str(sound),
            "--json",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OssicleError("the device did not run", "a summary", done.stderr.strip()[-300:])
    told = json.loads(done.stdout.splitlines()[-1])["summary"]
    peers = {
        "heard s": told["heard_s"],
        "windows": told["windows"],
        "detections": told["detections"],
        "memory MB": round(told["memory_bytes"] / 1e6, 1),
    }
    yield at_most("device: CPU of real-time keyword spotting", told["cpu_percent"], "% of a core", 3.0, peers)


def _stream(options: Mapping[str, str]) -> Iterator[Row]:
    """Real-time streaming at 5 % loss both ways, 10 ms under way, give or take 8."""
    from nodes.hub.stream.measure import measure

    minutes, loss = float(options.get("minutes", "10")), 0.05
    with tempfile.TemporaryDirectory(prefix="ossicle-stream-") as name:
        files = _files(options.get("recordings", RECORDINGS))
        sound = _sound(files, Path(name) / "sound.wav", 60.0 * minutes)
        found = measure(deployment(Path(name) / "deployment", 1), sound, loss=loss, delay_s=0.01, jitter_s=0.008)
    peers = {
        "median ms": found.median_ms,
        "answers": found.answers,
        "lost sound %": round(100.0 * found.lost_s / found.heard_s, 2),
        "kbit/s": round(8e-3 * found.sent_bytes / found.heard_s, 1),
        "lines": found.lines,
    }
    yield at_most(
        f"stream of {minutes:g} min at 5 % loss: 95th percentile of answers", found.p95_ms, "ms", 300.0, peers
    )
    yield at_least("stream: seconds answered", round(100.0 * found.answers / found.heard_s, 2), "%", 99.0)


def _run(trial: Any) -> Outcome:
    from nodes.hub.errors import HubError
    from nodes.hub.trial import run_trial

    with tempfile.TemporaryDirectory(prefix="ossicle-hub-") as folder:
        try:
            return run_trial(trial, Path(folder))
        except HubError as error:
            raise OssicleError(error.what, error.expected, error.remedy) from error


def _brokers(options: Mapping[str, str]) -> list[Kind]:
    return options.get("brokers", "mosquitto,nats").split(",")  # type: ignore[return-value]


def _heard(options: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
    """Real detections for the fleet to tell."""
    return _detections(options.get("recordings", RECORDINGS), options.get("deployment", ""))


@cache
def _detections(recordings: str, named: str) -> tuple[dict[str, Any], ...]:
    from nodes.hub.errors import HubError
    from nodes.hub.heard import detections

    files = unheard(_files(recordings))
    spread = files[:: max(1, len(files) // MOST_HEARD)]
    with tempfile.TemporaryDirectory(prefix="ossicle-heard-") as name:
        try:
            return detections(_taught(recordings, named, Path(name) / "deployment"), spread)
        except HubError as error:
            raise OssicleError(error.what, error.expected, error.remedy) from error


def _taught(recordings: str, named: str, folder: Path) -> Path:
    """What the user names, or a network that has just learnt the digits of the recordings."""
    return Path(named) if named else deployment(folder, 1, _files(recordings))


def _files(recordings: str) -> list[Path]:
    from nodes.hub.device.source import FILES

    files = sorted(file for file in Path(recordings).rglob("*") if file.suffix.lower() in FILES)
    if not files:
        raise OssicleError(f"{recordings} holds no recordings", "real recordings", "Name a folder with recordings=")
    return files


def _sound(files: Sequence[Path], path: Path, seconds: float) -> Path:
    """Recordings in any order, half a second of silence behind each, as long as they shall be heard."""
    import numpy as np
    import soundfile

    from nodes.hub.device.source import read

    order = np.random.default_rng(0).permutation(len(files))
    parts: list[NDArray[np.int16]] = []
    samples = 0
    while samples < seconds * 16_000:
        parts.append(np.pad(read(files[order[len(parts) % len(files)]], 16_000), (0, 8_000)))
        samples += len(parts[-1])
    soundfile.write(path, np.concatenate(parts)[: round(seconds * 16_000)], 16_000, subtype="PCM_16")
    return path


_MAKERS: Final[Mapping[str, Callable[[Mapping[str, str]], Iterator[Row]]]] = {
    "faults": _faults,
    "partition": _partition,
    "rate": _rate,
    "delay": _delay,
    "rollout": _rollout,
    "device": _device,
    "stream": _stream,
}
