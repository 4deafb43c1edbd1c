"""Node `ossicle.release`: a deployment goes to devices, signed, a share of them first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from engine import AudioSet, Context, Deployment, OssicleError, Params, Receipt, node
from engine.artifact import ReceiptMeta
from engine.audio import table_of, waveforms
from engine.params import FilePath

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GOLDEN_SUBSET = "testing"


class ReleaseParams(Params):
    """Where a release goes, and to whom."""

    repository: FilePath = ".ossicle/hub/repository"
    """Folder of the signed repository; `ossicle release create` begins one."""
    keys: FilePath = ".ossicle/keys"
    """Folder with the signing keys of targets, snapshot and timestamp. They are read here and never copied."""
    channel: str = "stable"
    """Devices follow a channel: lower-case letters, digits and -."""
    share_percent: Annotated[int, Field(ge=0, le=100, json_schema_extra={"unit": "%"})] = 10
    """Devices of the channel that shall run it; the others keep what they have. Raise it when the first fare well."""
    golden_clips: Annotated[int, Field(ge=0, le=32)] = 4
    """Clips of the wired audio that every device tries the model with; without audio, sounds made by rule."""


@node("ossicle.release", version=1, category="Deployment", needs=("network",))
def release(deployment: Deployment, audio: AudioSet | None, params: ReleaseParams, ctx: Context) -> Receipt:
    """Sign a deployment and let a share of a channel's devices run it.

    The bundle holds golden clips and what the deployment says to them here; a device runs it only after it has said the
    same. `receipt.json` names the bundle, its digest, the channel and the versions of the signed metadata.
    """
    from nodes.hub import HubError

    try:
        from nodes.hub.release.repository import Repository
    except ModuleNotFoundError as error:
        raise OssicleError(
            f"{error.name} is not installed", "what signs releases", "Run `pip install 'ossicle[iot]'`"
        ) from error
    repository, keys = Repository(ctx.resolve(params.repository)), ctx.resolve(params.keys)
    try:
        told = _publish(repository, keys, deployment, _clips(audio, deployment, params.golden_clips), params)
    except HubError as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error
    folder = ctx.folder("receipt")
    (folder / "receipt.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    about = f"{params.share_percent} % of {params.channel} shall run {told['model']}"
    ctx.log(about)
    return Receipt(folder, ReceiptMeta(about=about, destination=str(repository.folder), acknowledged=1))


def _publish(
    repository: Any, keys: Path, deployment: Deployment, clips: list[NDArray[np.int16]], params: ReleaseParams
) -> dict[str, Any]:
    import hashlib

    from nodes.hub.device.ear import open_ear
    from nodes.hub.release.bundle import make_bundle, name_of
    from nodes.hub.release.health import golden_of

    bundle = make_bundle(deployment.path, golden_of(deployment.path, clips))
    name = name_of(bundle, open_ear(deployment.path).facts.name)
    found = repository.publish(keys, name, bundle, params.channel, params.share_percent)
    bundle_digest, status = hashlib.sha256(bundle).hexdigest(), repository.status()
    return {
        "destination": str(repository.folder),
        "channel": params.channel,
        "model": found.model,
        "before": found.before,
        "share_percent": found.share,
        "sha256": bundle_digest,
        "size_bytes": len(bundle),
        "golden_clips": len(clips),
        "roles": status["roles"],
        "messages": [_message(params.channel, found.model, bundle_digest)],
    }


def _message(channel: str, model: str, digest: str) -> dict[str, Any]:
    """The release as a row of a receipt."""
    place = {"id": model, "seq": 1, "topic": f"channels/{channel}", "qos": 1}
    return {**place, "retained": True, "sha256": digest, "acknowledged": True}


def _clips(audio: AudioSet | None, deployment: Deployment, count: int) -> list[NDArray[np.int16]]:
    """Clips of the testing subset, from the start; one of another rate is of no use to the deployment."""
    if audio is None or not count:
        return []
    wanted_hz = int(deployment.json("deployment.json")["front_end"]["rate_hz"])
    if audio.meta.rate_hz != wanted_hz:
        raise OssicleError(
            f"the audio has {audio.meta.rate_hz} Hz",
            f"{wanted_hz} Hz, as the deployment hears",
            "Wire the audio it came from",
        )
    import itertools

    import numpy as np

    table = table_of(audio).clips()
    chosen = table.of_subset(GOLDEN_SUBSET)
    size = int(deployment.json("deployment.json")["front_end"]["clip_samples"])
    waves = itertools.islice(waveforms(audio, chosen if len(chosen) else table), count)
    return [np.pad(wave, (0, max(0, size - len(wave)))) for wave in waves]
