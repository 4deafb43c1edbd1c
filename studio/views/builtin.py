"""Importing this registers every viewer of our own."""

import studio.views.audio
import studio.views.clips
import studio.views.confusion
import studio.views.curves
import studio.views.features
import studio.views.firmware
import studio.views.latency
import studio.views.lineage
import studio.views.pareto
import studio.views.plots
import studio.views.receipt
import studio.views.report
import studio.views.roc
import studio.views.statistics
import studio.views.weights  # noqa: F401
