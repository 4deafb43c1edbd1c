"""Signalling over HTTP: a device that the hub knows by its password offers sound, and is told where to send it."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping

from fastapi import APIRouter, HTTPException, Security
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel, ConfigDict, Field

from nodes.hub.stream.server import Listener

LONGEST_SDP: int = 32_768


class Offer(BaseModel):
    """A session description of WebRTC."""

    model_config = ConfigDict(extra="forbid")
    sdp: str = Field(max_length=LONGEST_SDP)


class Answer(BaseModel):
    """The hub's own."""

    sdp: str


def router(listener: Listener, users: Callable[[], Mapping[str, str]]) -> APIRouter:
    """Routes of a listener.

    Args:
        users: passwords by name, as they are now.
    """
    api, basic = APIRouter(prefix="/stream", tags=["stream"]), HTTPBasic()

    @api.post("", response_model=Answer)
    async def offer(given: Offer, login: HTTPBasicCredentials = Security(basic)) -> Answer:  # noqa: B008 - its way
        """Take up a device's offer; a session it had is ended."""
        known = users().get(login.username, "")
        if not known or not hmac.compare_digest(known.encode(), login.password.encode()):
            raise HTTPException(401, "no such device, or a wrong password", {"WWW-Authenticate": "Basic"})
        return Answer(sdp=await listener.answer(login.username, given.sdp))

    api.add_event_handler("shutdown", listener.close)
    return api
