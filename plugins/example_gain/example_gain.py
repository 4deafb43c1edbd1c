"""A complete Ossicle plugin: one node that makes recordings louder or softer."""

from typing import Annotated

from pydantic import Field

from engine import AudioSet, Context, Decibels, Params, node
from engine.audio import map_clips


class GainParams(Params):
    """How much louder."""

    gain_db: Annotated[Decibels, Field(ge=-60, le=60)] = 6.0
    """Gain of every clip; samples beyond full scale are clipped."""


@node("example.gain", version=1, category="Data")
def gain(audio: AudioSet, params: GainParams, ctx: Context) -> AudioSet:
    """Make every clip louder or softer."""
    factor = 10 ** (params.gain_db / 20)
    return map_clips(audio, ctx, lambda samples: samples * factor, f"{params.gain_db:+g} dB")
