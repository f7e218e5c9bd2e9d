"""Memory that is free again, and that the C library keeps for later."""

import ctypes

from framedb.config import MiB

_MUCH = 64 * MiB  # less is not worth the milliseconds

# Only glibc has it, and needs it: each of its arenas, of which threads have several, keeps what was freed below its top.
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)


def give_back(nbytes: int) -> None:
    """Let the system have it, after an object of that size went through: else each leaves a little more behind."""
    if nbytes >= _MUCH and _trim is not None:
        _trim(0)
