"""The engine: workflows, artifacts, cache, runs and runners. Knows no node, no Qt, no torch."""

from engine.artifact import (
    Artifact,
    AudioMeta,
    AudioSet,
    Deployment,
    DeploymentMeta,
    FeatureMeta,
    FeatureSet,
    FileProblem,
    Firmware,
    Meta,
    Model,
    ModelMeta,
    Receipt,
    Report,
    ReportMeta,
)
from engine.context import Cancelled, Context
from engine.errors import OssicleError
from engine.event import Event
from engine.node import NodeSpec, Port, node
from engine.params import Decibels, Hertz, Milliseconds, Params, Percent, Seconds, Secret, Unit

__all__ = [
    "Artifact",
    "AudioMeta",
    "AudioSet",
    "Cancelled",
    "Context",
    "Decibels",
    "Deployment",
    "DeploymentMeta",
    "Event",
    "FeatureMeta",
    "FeatureSet",
    "FileProblem",
    "Firmware",
    "Hertz",
    "Meta",
    "Milliseconds",
    "Model",
    "ModelMeta",
    "NodeSpec",
    "OssicleError",
    "Params",
    "Percent",
    "Port",
    "Receipt",
    "Report",
    "ReportMeta",
    "Seconds",
    "Secret",
    "Unit",
    "node",
]
