"""Viewers: one or more per artifact type, found through `@viewer`."""
