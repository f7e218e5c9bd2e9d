"""Calls that start and stop servers take seconds, and must not hold up those that only look something up."""

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread

P = ParamSpec("P")
R = TypeVar("R")

_AT_ONCE = 16
"""Long calls under way; more wait, and hold no thread meanwhile."""


class LongCalls:
    """Threads of their own for the long calls of one service."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(_AT_ONCE)

    def __call__(self, handler: Callable[P, R]) -> Callable[P, Awaitable[R]]:
        """The handler, run on one of these threads."""

        @functools.wraps(handler)
        async def run(*args: P.args, **kwargs: P.kwargs) -> R:
            return await anyio.to_thread.run_sync(functools.partial(handler, *args, **kwargs), limiter=self._limiter)

        return run
