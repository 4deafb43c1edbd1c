"""The Qt desktop app: a view of the engine, never of the nodes."""
