"""Running from the window: the runner's process, what its events mean, and earlier runs."""
