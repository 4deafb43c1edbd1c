"""Importing this registers every viewer of our own."""

import studio.views.audio
import studio.views.choices
import studio.views.clips
import studio.views.confusion
import studio.views.curves
import studio.views.engines
import studio.views.episodes
import studio.views.features
import studio.views.firmware
import studio.views.firmware_beside
import studio.views.firmware_layers
import studio.views.firmware_parity
import studio.views.firmware_plan
import studio.views.fit
import studio.views.latency
import studio.views.lineage
import studio.views.memory_plan
import studio.views.pareto
import studio.views.plots
import studio.views.receipt
import studio.views.report
import studio.views.roc
import studio.views.sensitivity
import studio.views.statistics
import studio.views.trade_off
import studio.views.weights  # noqa: F401
