"""A device's runtime: sound in, a deployment that listens, detections out to a hub. Small enough for a Pi Zero."""
