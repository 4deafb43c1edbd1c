"""Microcontrollers in emulation, by Unicorn: `python -m nodes.emulator ELF` tells what the program did as JSON.

A process of its own: the emulator is an optional extra under another licence, and a wild program may take it down. It
imports nothing of the rest, so that it starts in a tenth of a second.
"""

from nodes.emulator.outcome import Options, Outcome

__all__ = ["Options", "Outcome"]
