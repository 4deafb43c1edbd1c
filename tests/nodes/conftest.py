"""Made once per test session: spoken digits as features, a network trained on them, a real MQTT broker."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from engine import FeatureMeta, FeatureSet, Model, ModelMeta
from engine.audio import Clip, make_table, read_features, table_of, write_features
from nodes.dsp.frontend import FrontEnd, compute
from nodes.zoo import architecture, build, describe, export_onnx
from nodes.zoo.network import Network
from nodes.zoo.weights import save_weights

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
FRONT_END = FrontEnd(
    rate_hz=8000, clip_samples=8000, window_samples=256, hop_samples=160, fft_samples=256,
    n_mels=32, f_min_hz=60.0, f_max_hz=3900.0, n_mfcc=20,
)  # fmt: skip


@pytest.fixture(scope="session")
def digit_features(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> FeatureSet:
    """MFCC (20, 49) of 900 spoken digits: takes 0 and 1 testing, 2 to 4 validation, 5 to 14 training."""
    folder, clips, waves = tmp_path_factory.mktemp("features"), [], []
    for path in sorted((recordings / "fsdd" / "recordings").glob("*.wav")):
        digit, speaker, take = path.stem.split("_")
        if int(take) < 15:
            subset = "testing" if int(take) < 2 else "validation" if int(take) < 5 else "training"
            clips.append(Clip(path.stem, DIGITS[int(digit)], speaker, subset=subset))
            waves.append(_second(soundfile.read(path, dtype="int16")[0]))
    table = make_table(clips, [8000] * len(clips), [""] * len(clips))
    block = compute(FRONT_END, np.stack(waves).astype(np.float32) / 32768)
    write_features(folder, table, FRONT_END.shape, [(slice(0, len(clips)), block)])
    meta = FeatureMeta(
        front_end=asdict(FRONT_END), layout=FRONT_END.layout, shape=FRONT_END.shape, classes=DIGITS, about="digits"
    )
    return FeatureSet(folder, meta)


@pytest.fixture(scope="session")
def digit_model(digit_features: FeatureSet, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """TC-ResNet8 after a few seconds of training on the training digits."""
    torch.manual_seed(0)
    table = table_of(digit_features)
    rows = table.subset == "training"
    made = architecture("tc_resnet8", input_shape=(20, 49), classes=10)
    network = build(made)
    truth = np.array([DIGITS.index(label) for label in table.label[rows].tolist()])
    _fit(network, read_features(digit_features, rows), truth)
    folder, found = tmp_path_factory.mktemp("model"), describe(made)
    export_onnx(network, folder / "model.onnx")
    save_weights(network, folder / "weights.safetensors")
    (folder / "architecture.json").write_text(json.dumps(made))
    meta = ModelMeta(
        architecture="tc_resnet8",
        input_shape=(20, 49),
        classes=DIGITS,
        front_end=asdict(FRONT_END),
        parameters=found.params,
        flops={rule: float(count) for rule, count in found.flops.items()},
        size_bytes=(folder / "model.onnx").stat().st_size,
    )
    return Model(folder, meta)


def _second(wave: NDArray[np.int16]) -> NDArray[np.int16]:
    return np.pad(wave[:8000], (0, max(0, 8000 - len(wave))))


def _fit(network: Network, features: NDArray[np.float32], truth: NDArray[np.int64], epochs: int = 12) -> None:
    """A plain loop: Adam, cross-entropy, one cycle."""
    x, y = torch.from_numpy(features), torch.from_numpy(truth)
    steps = epochs * (len(x) // 50)
    optimiser = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.01, total_steps=steps)
    network.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(50):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
            optimiser.step()
            schedule.step()
    network.eval()


# ---- a real MQTT broker


@dataclass(frozen=True)
class Mosquitto:
    """A running mosquitto: a TLS port where users need a password and may write to evt/USER/ only, and an open port."""

    folder: Path
    tls_port: int
    open_port: int
    ca_file: Path
    foreign_ca_file: Path
    passwords: Mapping[str, str]

    def listen(self, topic: str, want: int) -> list[tuple[str, dict[str, Any], bool]]:
        """Topic, payload and retained flag of messages that the hub gets now: those kept by the broker."""
        found: list[tuple[str, dict[str, Any], bool]] = []
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.on_message = lambda _c, _d, message: found.append(
            (message.topic, json.loads(message.payload), message.retain)
        )
        client.username_pw_set("hub", self.passwords["hub"])
        client.tls_set(str(self.ca_file))
        client.connect("localhost", self.tls_port)
        client.subscribe(topic, qos=1)
        end = time.monotonic() + 10.0
        while len(found) < want and time.monotonic() < end:
            client.loop(0.05)
        client.disconnect()
        return found


MOSQUITTO_CONFIG = """
per_listener_settings true
{user}
listener {tls_port} 127.0.0.1
cafile ca.crt
certfile server.crt
keyfile server.key
allow_anonymous false
password_file passwords
acl_file rights
listener {open_port} 127.0.0.1
allow_anonymous true
"""


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """Start a mosquitto with certificates, users and rights of its own; installs the package when it can."""
    program = _mosquitto_program("mosquitto")
    folder = tmp_path_factory.mktemp("mosquitto")
    passwords = {"hub": "hub-secret", "device1": "device-secret"}
    _make_certificates(folder)
    (folder / "passwords").touch(mode=0o600)
    for user, password in passwords.items():
        subprocess.run(
            [_mosquitto_program("mosquitto_passwd"), "-b", "passwords", user, password], cwd=folder, check=True
        )
    (folder / "rights").write_text("pattern write evt/%u/#\nuser hub\ntopic read #\n")
    tls_port, open_port = _free_port(), _free_port()
    user = "user root" if os.geteuid() == 0 else ""
    (folder / "broker.conf").write_text(MOSQUITTO_CONFIG.format(user=user, tls_port=tls_port, open_port=open_port))
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen([program, "-c", "broker.conf"], cwd=folder, stdout=log, stderr=log)
    try:
        _await_port(open_port, process, folder)
        yield Mosquitto(folder, tls_port, open_port, folder / "ca.crt", folder / "foreign.crt", passwords)
    finally:
        process.terminate()
        process.wait(10)


def _mosquitto_program(name: str) -> str:
    places = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    found = shutil.which(name, path=places)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-qq", "mosquitto"], check=False, capture_output=True)
        found = shutil.which(name, path=places)
    assert found is not None, f"{name} is missing: apt-get install mosquitto"
    return found


def _make_certificates(folder: Path) -> None:
    """An authority, a server certificate for localhost signed by it, and an authority that signed nothing."""
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes"]
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    sign = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-out", "server.crt"]
    for command in (
        [*new, "-x509", "-days", "2", "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test-ca"],
        [*new, "-x509", "-days", "2", "-keyout", "foreign.key", "-out", "foreign.crt", "-subj", "/CN=foreign-ca"],
        [*new, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost"],
        ["openssl", "x509", "-req", "-days", "2", "-in", "server.csr", *sign],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_port(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + 10.0
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"mosquitto did not start: {(folder / 'log.txt').read_text()}")
