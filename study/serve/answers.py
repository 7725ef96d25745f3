"""Pages, tables and figures that are made once for all who ask while nothing changes, and events that say what does."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from typing import NamedTuple

import anyio
from sse_starlette.sse import EventSourceResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from study.serve.following import Following

# How often it is looked whether there is something to tell.
EVENT_SECONDS = 0.25
# Of the time one part in so many goes into making what followers ask for; of the changes meanwhile they see the last.
COST_RATIO = 4
# Answers that are kept while nothing changes, for those who ask the same.
MOST_KEPT, MOST_KEPT_BYTES = 200, 50_000_000
# An address with more characters is none of ours.
MOST_ADDRESS = 4000

State = tuple[object, ...]


class Answer(NamedTuple):
    """Something made, and from which state of things."""

    made_from: State
    content: bytes
    media_type: str
    tag: str


class Answers:
    """What is answered over storages that are followed, of which the first is the one whose studies are shown."""

    def __init__(self, followings: Mapping[str, Following]) -> None:
        self._followings = followings
        self._main = next(iter(followings.values()))
        self._kept: OrderedDict[str, Answer] = OrderedDict()
        self._making = asyncio.Lock()
        # Of each study the state that is shown, since when, and the seconds that making it has taken.
        self._shown: dict[str, tuple[State, float, float]] = {}

    def events(self, study: str) -> Response:
        """Server-sent events, one whenever another state of the study is shown, or of any (`*`)."""
        ending = anyio.Event()

        async def tell() -> AsyncIterator[dict[str, str]]:
            told: object = None
            while not ending.is_set():
                state = self._state(study)
                if state != told:
                    yield {"data": hashlib.sha256(repr(state).encode()).hexdigest()[:16]}
                    told = state
                await asyncio.sleep(EVENT_SECONDS)

        return EventSourceResponse(
            tell(), ping=15, shutdown_event=ending, shutdown_grace_period=4 * EVENT_SECONDS
        )

    async def kept(
        self, request: Request, study: str, make: Callable[[], str | bytes], media_type: str = "text/html",
        name: str = "", beats: bool = True,
    ) -> Response:  # fmt: skip
        """What `make` gives, made once for all who ask the same while nothing of the study changes.

        `name` is that of a file to be saved. Without `beats` what running trials say is no change.
        """
        address = f"{request.url.path}?{request.url.query}"
        if len(address) > MOST_ADDRESS:
            raise HTTPException(414, "That address is too long.")
        state = self._state(study)[: None if beats else -1]
        if (found := self._found(address, state)) is None:
            # Of many who ask the same at once the others get what the first one makes.
            async with self._making:
                if (found := self._found(address, state)) is None:
                    found = await self._made(state, study, make, media_type)
        self._kept[address] = found
        self._kept.move_to_end(address)
        while len(self._kept) > MOST_KEPT or self._bytes() > MOST_KEPT_BYTES:
            self._kept.popitem(last=False)
        headers = {"ETag": found.tag, "Cache-Control": "private, no-cache"}
        if name:
            plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
            headers["Content-Disposition"] = f'attachment; filename="{plain}"'
        if request.headers.get("if-none-match") == found.tag:
            return Response(status_code=304, headers=headers)
        return Response(found.content, media_type=found.media_type, headers=headers)

    def _bytes(self) -> int:
        return sum(len(kept.content) for kept in self._kept.values())

    def _found(self, address: str, state: State) -> Answer | None:
        kept = self._kept.get(address)
        return kept if kept and kept.made_from == state else None

    async def _made(
        self, state: State, study: str, make: Callable[[], str | bytes], media_type: str
    ) -> Answer:
        started = time.monotonic()
        made = await run_in_threadpool(make)
        content = made.encode("utf-8", "replace") if isinstance(made, str) else made
        shown, since, spent = self._shown[study]
        self._shown[study] = shown, since, spent + time.monotonic() - started
        return Answer(state, content, media_type, f'"{hashlib.sha256(content).hexdigest()[:24]}"')

    def _state(self, study: str) -> State:
        """What pages of the study, or of all (`*`), are made from at the moment."""
        state, now = self._newest(study), time.monotonic()
        if study not in self._shown:
            self._shown[study] = state, now, 0.0
        shown, since, spent = self._shown[study]
        if state != shown and now >= since + COST_RATIO * spent:
            self._shown[study] = state, now, 0.0
        return self._shown[study][0]

    def _newest(self, study: str) -> State:
        now = self._main.now
        versions: object = now.versions.get(study) if study != "*" else tuple(
            following.now.versions.get(name) for following in self._followings.values() for name in following.now.rows
        )  # fmt: skip
        return versions, now.problems, now.unread, now.away, now.read_at is None, now.beats
