"""A device's side of the signalling: its offer goes to the hub by HTTP, with the device's own password."""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.error
import urllib.request
from typing import Final

from nodes.hub.errors import HubError
from nodes.hub.stream.client import Offer

ANSWER_S: Final = 15.0
LARGEST_BYTES: Final = 64 * 1024


def http_offer(url: str, device: str, password: str) -> Offer:
    """What brings an offer to the hub at `url` ("http://HOST:PORT") and its answer back."""
    login = base64.b64encode(f"{device}:{password}".encode()).decode("ascii")

    def ask(sdp: str) -> str:
        headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{url.rstrip('/')}/stream", json.dumps({"sdp": sdp}).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
                return str(json.loads(answer.read(LARGEST_BYTES))["sdp"])
        except urllib.error.HTTPError as error:
            if error.code == 401:
                raise HubError(
                    f"the hub at {url} does not let {device} in",
                    "an enrolled device and its password",
                    "Enrol it again",
                ) from error
            raise _unreached(url, f"it answered {error.code}") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _unreached(url, str(error)) from error

    async def offer(sdp: str) -> str:
        return await asyncio.to_thread(ask, sdp)

    return offer


def _unreached(url: str, why: str) -> HubError:
    return HubError(f"the hub at {url} takes no sound ({why})", "a hub that listens", "Try again later", is_final=False)
