"""Importing this registers every viewer of our own."""
