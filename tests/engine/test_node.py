"""One declaration gives ports, parameters, help and a callable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import pytest
from pydantic import Field, ValidationError

from engine import AudioSet, Context, FeatureSet, Milliseconds, Model, OssicleError, Params, Secret, node
from engine.params import canonical, schema


class GainParams(Params):
    """How the gain is set."""

    gain_db: Annotated[float, Field(ge=-60, le=60, json_schema_extra={"unit": "dB"})] = 6.0
    """How much louder."""
    attack_ms: Annotated[Milliseconds, Field(gt=0)] = 5.0
    """Rise
    time."""
    form: Literal["hard", "soft"] = "soft"
    password: Secret = Secret("mqtt-password")


class Both(NamedTuple):
    loud: AudioSet
    quiet: AudioSet


@node("t.gain_stage", version=3, category="Audio")
def gain(audio: AudioSet, extra: Model | None, many: list[FeatureSet], params: GainParams, ctx: Context) -> Both:
    """Make it louder.

    Long text.
    """
    return Both(audio, audio)


def test_ports_follow_from_the_signature() -> None:
    assert [(p.name, p.type, p.optional, p.many) for p in gain.inputs] == [
        ("audio", AudioSet, False, False),
        ("extra", Model, True, False),
        ("many", FeatureSet, True, True),
    ]
    assert [(p.name, p.type) for p in gain.outputs] == [("loud", AudioSet), ("quiet", AudioSet)]
    assert (gain.slug, gain.title, gain.about.splitlines()[0]) == ("gain-stage", "Gain stage", "Make it louder.")


def test_schema_has_help_units_ranges_and_choices() -> None:
    fields = schema(GainParams)["properties"]
    assert fields["gain_db"]["description"] == "How much louder."
    assert fields["attack_ms"]["description"] == "Rise\ntime." and fields["attack_ms"]["unit"] == "ms"
    assert (fields["gain_db"]["minimum"], fields["gain_db"]["unit"]) == (-60, "dB")
    assert fields["form"]["enum"] == ["hard", "soft"]
    assert fields["password"]["format"] == "secret"
    assert list(fields) == ["gain_db", "attack_ms", "form", "password"]


def test_params_are_frozen_and_know_their_names() -> None:
    with pytest.raises(ValidationError):
        GainParams().gain_db = 3.0  # type: ignore[misc]
    with pytest.raises(ValidationError):
        GainParams(gian_db=3)  # type: ignore[call-arg]
    assert canonical(GainParams(gain_db=3)) == {
        "gain_db": 3.0,
        "attack_ms": 5.0,
        "form": "soft",
        "password": "mqtt-password",
    }


def test_the_function_stays_callable(tmp_path: Path) -> None:
    from engine import AudioMeta

    audio = AudioSet(tmp_path, AudioMeta(rate_hz=1, classes=()))
    result = gain(audio, None, [], GainParams(), Context.for_test(tmp_path))
    assert gain.outputs_of(result) == {"loud": audio, "quiet": audio}


def test_wrong_signatures_are_refused_with_the_argument_named() -> None:
    def bad(audio: int) -> AudioSet: ...  # type: ignore[empty-body]

    with pytest.raises(TypeError, match="`audio`"):
        node("t.bad", version=1, category="x")(bad)

    def worse(audio: AudioSet, params: int) -> AudioSet: ...  # type: ignore[empty-body]

    with pytest.raises(TypeError, match="`params`"):
        node("t.worse", version=1, category="x")(worse)

    def returns(audio: AudioSet) -> int: ...  # type: ignore[empty-body]

    with pytest.raises(TypeError, match="`return`"):
        node("t.returns", version=1, category="x")(returns)


def test_secrets_come_from_the_environment_and_are_scrubbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    ctx = Context.for_test(tmp_path, sink=lambda event: lines.append(str(event.values.get("text"))))
    monkeypatch.setenv("OSSICLE_SECRET_MQTT_PASSWORD", "hunter2")
    assert ctx.secret(Secret("mqtt-password")) == "hunter2"
    ctx.log("tried hunter2 at the broker")
    assert lines == ["tried *** at the broker"]
    monkeypatch.delenv("OSSICLE_SECRET_MQTT_PASSWORD")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    with pytest.raises(OssicleError, match="OSSICLE_SECRET_OTHER"):
        ctx.secret("other")


def test_progress_is_where_a_node_stops(tmp_path: Path) -> None:
    from engine import Cancelled

    with pytest.raises(Cancelled):
        Context.for_test(tmp_path, is_cancelled=lambda: True).progress(0.5)


def test_rng_is_the_same_for_the_same_computation(tmp_path: Path) -> None:
    draws = [Context.for_test(tmp_path, key=key).rng.random() for key in ("a" * 64, "a" * 64, "b" * 64)]
    assert draws[0] == draws[1] != draws[2]
