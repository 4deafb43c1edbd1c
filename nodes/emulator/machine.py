"""The machine: memory, registers, traps and counters around Unicorn.

Memory is mapped as the ELF says, flash cannot be written, and any access elsewhere ends the run.

Regions are cut by calls of `ossicle_mark`; odd regions are the layers. Counting follows basic blocks: every executed
instruction is counted, exactly and repeatably. Without counting a run is about six times as fast.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from nodes.emulator.core import CORES, CPU_MODELS, Core, system_memory
from nodes.emulator.files import Files
from nodes.emulator.image import Image, ImageError, read_image
from nodes.emulator.outcome import Options, Outcome

PAGE_BYTES = 0x1000
WRITE_TEXT, EXIT, EXIT_EXTENDED = 0x04, 0x18, 0x20
ENDED_WELL = 0x20026
LONGEST_CONSOLE = 64 << 20


class Machine:
    """A microcontroller with flash, RAM, semihosting and counters."""

    def __init__(self, elf: Path, options: Options) -> None:
        from unicorn import UC_HOOK_BLOCK, UC_HOOK_INTR, Uc

        self.options, self.outcome = options, Outcome()
        self._image: Image = read_image(elf)
        self._core: Core = CORES[self._image.machine]()
        self._files = Files(options.files)
        self._blocks: Counter[tuple[int, int, int]] = Counter()
        self._lengths: dict[tuple[int, int], int] = {}
        self._region, self._is_still = 0, False
        self._end = -1
        self._jumps: Counter[tuple[int, int, int]] = Counter()
        self._console = bytearray()
        self._uc: Any = Uc(self._core.arch, self._core.mode)
        if options.cpu:
            self._uc.ctl_set_cpu_model(CPU_MODELS[options.cpu]())
        self._map()
        mark = self._image.symbols.get("ossicle_mark", 0) & ~1
        self._mark = mark or -1
        if options.counts:
            self._uc.hook_add(UC_HOOK_BLOCK, self._block)
        elif mark:
            self._uc.hook_add(UC_HOOK_BLOCK, self._marked, begin=mark, end=mark)
        self._uc.hook_add(UC_HOOK_INTR, self._trap)

    def _map(self) -> None:
        from unicorn import UC_PROT_ALL, UC_PROT_EXEC, UC_PROT_READ, UC_PROT_WRITE

        rights = {True: UC_PROT_ALL, False: UC_PROT_READ | UC_PROT_EXEC}
        for start, end, is_writable in self._image.areas:
            first = start // PAGE_BYTES * PAGE_BYTES
            self._uc.mem_map(first, -(-end // PAGE_BYTES) * PAGE_BYTES - first, rights[is_writable])
        for start, size in system_memory(self._image.machine):
            self._uc.mem_map(start, size, UC_PROT_READ | UC_PROT_WRITE)
        for address, data in self._image.segments:
            self._uc.mem_write(address, data)

    def run(self) -> Outcome:
        """From reset to the end of the program, a fault, or the time limit."""
        start = self._core.reset(self._uc, self._image)
        begun, ended = time.monotonic(), threading.Event()
        if self.options.still_s:
            threading.Thread(target=self._watch, args=(ended,), daemon=True).start()
        self._emulate(start, begun + self.options.limit_s)
        ended.set()
        out = self.outcome
        out.seconds = time.monotonic() - begun
        if out.code is None and not out.fault:
            self._stop(f"no end within {self.options.still_s if self._is_still else self.options.limit_s:g} s")
        out.console = self._console.decode("ascii", "replace")
        out.regions = self._counts()
        out.instructions = sum(out.regions)
        self._files.close()
        return out

    def _emulate(self, start: int, until: float) -> None:
        """Run; where a call of the host is an instruction that the emulator does not know, answer it and go on."""
        from unicorn import UcError

        is_running = True
        while is_running and self.outcome.code is None and not self.outcome.fault:
            is_running = False
            try:
                self._uc.emu_start(start, 0xFFFF_FFFE, timeout=int(max(until - time.monotonic(), 1e-3) * 1e6))
            except UcError as error:
                is_running = self._core.is_unknown_call(self._uc)
                if is_running:
                    self._trap(self._uc, self._core.breakpoint, None)
                else:
                    self._stop(f"{error}")
            start = self._uc.reg_read(self._core.call[2])

    def _watch(self, ended: threading.Event) -> None:
        """Stop a program that gets nowhere."""
        region = self._region
        while not ended.wait(self.options.still_s):
            if self._region == region:
                self._is_still = True
                self._uc.emu_stop()
                return
            region = self._region

    def _stop(self, why: str) -> None:
        self.outcome.fault = self.outcome.fault or why
        self.outcome.registers = {name: self._uc.reg_read(number) for name, number in self._core.registers.items()}
        self._uc.emu_stop()

    def _block(self, _uc: Any, address: int, size: int, _data: Any) -> None:
        if address == self._mark:
            self._region += 1
        key = (self._region, address, size)
        self._blocks[key] += 1
        if address != self._end:
            self._jumps[key] += 1
        self._end = address + size

    def _marked(self, _uc: Any, _address: int, _size: int, _data: Any) -> None:
        self._region += 1

    def _trap(self, uc: Any, number: int, _data: Any) -> None:
        if not self._core.is_semihosting(uc, number):
            return self._stop(self._core.exception(number))
        operation, argument = self._core.arguments(uc)
        if operation == WRITE_TEXT:
            self._write(argument)
        elif operation in (EXIT, EXIT_EXTENDED):
            return self._exit(operation, argument)
        elif operation in self._files.operations:
            self._core.answer(uc, self._files.operations[operation](uc, argument))
        else:
            return self._stop(f"semihosting operation {operation:#x} is not known")
        return self._core.resume(uc)

    def _exit(self, operation: int, argument: int) -> None:
        why = argument
        if operation == EXIT_EXTENDED:
            why, code = (int.from_bytes(self._uc.mem_read(argument + at, 4), "little") for at in (0, 4))
            self.outcome.code = code
        else:
            self.outcome.code = 0 if why == ENDED_WELL else 1
        self._uc.emu_stop()

    def _write(self, address: int) -> None:
        while byte := self._uc.mem_read(address, 1)[0]:
            self._console.append(byte)
            address += 1
        if len(self._console) > LONGEST_CONSOLE:
            self._stop(f"more than {LONGEST_CONSOLE:,} bytes on the console")

    def _counts(self) -> list[int]:
        counts = [0] * (self._region + 1)
        for (region, address, size), times in self._blocks.items():
            length = self._length(address, size)
            counts[region] += times * length
            if self.options.keeps_blocks:
                jumps = self._jumps[(region, address, size)]
                self.outcome.blocks.append((region, address, size, length, times, jumps))
        return counts

    def _length(self, address: int, size: int) -> int:
        """Instructions of a block."""
        known = self._lengths.get((address, size))
        if known is None:
            code, at, known = self._uc.mem_read(address, size), 0, 0
            while at < size:
                at, known = at + self._core.instruction_bytes(code[at], code[at + 1]), known + 1
            self._lengths[(address, size)] = known
        return known


def run(elf: Path, options: Options) -> Outcome:
    """Run an ELF here, in this process; what cannot be read or emulated is a fault."""
    try:
        return Machine(elf, options).run()
    except ImageError as error:
        return Outcome(fault=str(error))
