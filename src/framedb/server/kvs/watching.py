"""A watcher's WebSocket: every change as a frame of JSON, followed under `full` by one of attributes."""

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from framedb.attributes.store import AttributeStore
from framedb.errors import FrameDBError
from framedb.server.kvs.answers import failed, failure_of
from framedb.server.kvs.feed import BEHIND, GONE, STOPPING, End, Feed, Watcher

if TYPE_CHECKING:
    from starlette.types import Receive, Send

logger = logging.getLogger(__name__)

_PATIENCE = 2.0  # seconds that watchers have to say goodbye when the server stops


class Watching:
    """All watchers of a store over WebSocket."""

    def __init__(self, store: AttributeStore) -> None:
        self._feeds = {expiries: Feed(store, expiries=expiries) for expiries in (False, True)}
        self._conversations: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self.fallen_behind = 0
        """Watchers that were cut off because they did not read fast enough."""

    def __len__(self) -> int:
        return len(self._conversations)

    async def watch(self, receive: "Receive", send: "Send", *, full: bool, expiries: bool) -> None:
        """Accept a WebSocket, and send changes until either side ends it."""
        feed = self._feeds[expiries]
        await receive()  # its request to connect
        if self._is_closed:
            await failed(503, "the server stops: connect again later").refuse_websocket(send)
            return
        try:
            watcher = feed.join()  # before it is accepted: it misses nothing from then on
        except FrameDBError as exc:
            await failure_of(exc).refuse_websocket(send)
            return
        conversation = asyncio.current_task()
        assert conversation is not None
        self._conversations.add(conversation)
        try:
            await send({"type": "websocket.accept"})
            await self._converse(watcher, receive, send, full=full)
        except asyncio.CancelledError:
            if not self._is_closed:
                raise
        finally:
            self._conversations.discard(conversation)
            feed.leave(watcher)

    async def close(self) -> None:
        """Say goodbye to all of them. Who does not listen is left after a moment."""
        self._is_closed = True
        for feed in self._feeds.values():
            feed.end(STOPPING)
        if self._conversations:
            _, deaf = await asyncio.wait(self._conversations, timeout=_PATIENCE)
            for conversation in deaf:
                conversation.cancel()

    async def _converse(self, watcher: Watcher, receive: "Receive", send: "Send", *, full: bool) -> None:
        listening = asyncio.create_task(_until_gone(receive))
        listening.add_done_callback(lambda _: watcher.end(GONE))
        try:
            end = await _tell(watcher, send, full=full)
        except RuntimeError:
            return  # granian's word for a connection that broke
        finally:
            # It holds the connection while it waits: nothing could be closed.
            listening.cancel()
            with suppress(asyncio.CancelledError, RuntimeError):
                await listening
        if end is BEHIND:
            self.fallen_behind += 1
            logger.warning("a watcher was cut off: it fell behind")
        if end is not GONE:
            with suppress(RuntimeError):
                await send({"type": "websocket.close", "code": end.code, "reason": end.why})


async def _tell(watcher: Watcher, send: "Send", *, full: bool) -> End:
    while not isinstance(event := await watcher.next(), End):
        await send({"type": "websocket.send", "text": event.meta})
        if full:
            await send({"type": "websocket.send", "bytes": event.attributes})
    return event


async def _until_gone(receive: "Receive") -> None:
    """Return once the other side went; whatever it says before is no matter of ours."""
    while (await receive())["type"] != "websocket.disconnect":
        pass
