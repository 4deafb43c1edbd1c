"""The docks and pages around the canvas."""
