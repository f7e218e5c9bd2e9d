"""`Watcher`: a subscription for programs on asyncio."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from framedb.attributes.store import AttributeStore
from framedb.attributes.subscriptions import Change


class Watcher:
    """The changes since it was made, for `async for` on the loop that ran then.

    The iteration ends when it is closed; `overflowed` says whether that was because it fell behind. Only one task may wait.
    """

    def __init__(self, store: AttributeStore, name: str, max_inflight: int, *, expiries: bool = False) -> None:
        """See `AttributeStore.subscribe`. Raises RuntimeError where no loop runs."""
        self._ready = asyncio.Event()
        self._subscription = store.subscribe(
            name, max_inflight, expiries=expiries, on_ready=_setting(self._ready, asyncio.get_running_loop())
        )

    @property
    def overflowed(self) -> bool:
        """Whether it was closed because its changes were not taken fast enough."""
        return self._subscription.overflowed

    async def recv(self) -> Change | None:
        """The next change, waited for; None once it is closed and all are taken."""
        while True:
            change = self._subscription.try_recv()
            if change is not None or self._subscription.is_drained:
                return change
            self._ready.clear()  # nothing can have set it meanwhile: that happens on this loop
            await self._ready.wait()

    def close(self) -> None:
        """Take part no longer."""
        self._subscription.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        change = await self.recv()
        if change is None:
            raise StopAsyncIteration
        return change

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_subscription"):
            self.close()


def _setting(event: asyncio.Event, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    # The store holds this, so it must not hold the watcher: a watcher that nobody holds any more ends.
    def wake() -> None:
        loop.call_soon_threadsafe(event.set)

    return wake
