"""Messages handed over to a hub: through an outbox on disk, and done when the hub says that it has stored them.

The outbox lives as long as the handover, and its epoch is the digest of what is sent: a handover that was broken off
and begun again tells the hub nothing twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from nodes.hub.access import Access
from nodes.hub.endpoint import Broker
from nodes.hub.errors import HubError
from nodes.hub.message import Message
from nodes.hub.outbox import Outbox, Said
from nodes.hub.sender import Sender
from nodes.hub.window import Pace

PACE: Final = Pace(resend_s=1.0, slowest_s=4.0)
TICK_S: Final = 0.02
Pause = Callable[[float], None]


def hand_over(
    messages: Sequence[Message],
    broker: Broker,
    access: Access,
    folder: Path,
    timeout_s: float,
    pause: Pause = time.sleep,
) -> tuple[str, ...]:
    """Hand messages of one device and epoch over to a hub; their ids as the hub has committed them.

    Args:
        folder: for the outbox; a new one.
        pause: waits; it may raise to give up.

    Raises:
        HubError: the broker lets nobody in, the hub refuses an event, or no hub acknowledged all of them in time.
    """
    first = messages[0]
    now = datetime.now(UTC)
    with Outbox(folder / "outbox.db", epoch=first.epoch) as outbox:
        sender = Sender(outbox, broker, access, first.device, PACE)
        outbox.put([Said(message.kind, dict(message.body), now) for message in messages])
        sender.start()
        try:
            _await(sender, time.monotonic() + timeout_s, timeout_s, pause)
        finally:
            sender.stop()
    return tuple(message.id for message in messages)


def _await(sender: Sender, end: float, timeout_s: float, pause: Pause) -> None:
    while sender.outbox.level().rows:
        problem = sender.problem
        if problem is not None and (problem.is_final or time.monotonic() >= end):
            raise problem
        if time.monotonic() >= end:
            raise _unanswered(sender, timeout_s)
        pause(TICK_S)
    if dead := sender.outbox.dead():
        entry, reason = dead[0]
        kind = json.loads(entry.text)["kind"]
        raise HubError(
            f"the hub refused {len(dead)} events, the first one a {kind} ({reason})",
            "events the hub can store",
            "Look at the report that is wired",
        )


def _unanswered(sender: Sender, timeout_s: float) -> HubError:
    return HubError(
        f"no hub has acknowledged {sender.outbox.level().rows} events of {sender.device} within {timeout_s:g} s",
        f"a hub that stores what {sender.device} says, and the right of its user to write below evt/{sender.device}",
        "Start `ossicle hub serve`, or set acknowledged_by to broker to be content with the broker's word",
        is_final=False,
    )
