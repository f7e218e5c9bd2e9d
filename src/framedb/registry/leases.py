"""Leases: who does what only one may do, with a fencing token for what comes late from an earlier holder."""

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, insert, or_, select, update

from framedb.errors import InvalidSettingError
from framedb.registry.engine import reading, write
from framedb.registry.tables import leases
from framedb.registry.types import DatabaseNow


@dataclass(frozen=True, slots=True)
class Lease:
    """What is held now, and by whom."""

    name: str
    holder: str
    token: int
    """Fencing token."""
    seconds_left: float


class Leases:
    """The leases of one registry. Time is the database's own clock: machines need not agree about theirs.

    A token is larger than every one that was given out for the same name before. Whoever acts under a lease passes its
    token on, and what it acts upon refuses a smaller one than it has seen: a holder that was paused past the end of its
    lease can then do no harm.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def acquire(self, name: str, holder: str, seconds: float) -> int | None:
        """The fencing token, if nobody else holds the lease; None if somebody does.

        A holder that asks again gets a new token, and its old one is worth nothing: it may have crashed in between.
        Raises InvalidSettingError for a duration that is not positive.
        """
        duration = _microseconds(seconds)

        def take(connection: Connection) -> int | None:
            free = or_(leases.c.expires_at <= DatabaseNow(), leases.c.holder.is_(None), leases.c.holder == holder)
            taken = connection.execute(
                update(leases)
                .where(leases.c.name == name, free)
                .values(holder=holder, token=leases.c.token + 1, expires_at=DatabaseNow() + duration)
            )
            token = connection.scalar(select(leases.c.token).where(leases.c.name == name))
            if token is None:  # two who insert at once: one of them fails, and starts again above
                connection.execute(
                    insert(leases).values(name=name, holder=holder, token=1, expires_at=DatabaseNow() + duration)
                )
                return 1
            return int(token) if taken.rowcount else None

        return write(self._engine, take)

    def renew(self, name: str, token: int, seconds: float) -> bool:
        """Hold it for that many seconds from now. False if it was given back, or went to another since.

        One that ran out unnoticed by others is simply held again.
        """
        duration = _microseconds(seconds)
        renewed = write(
            self._engine,
            lambda connection: (
                connection.execute(
                    update(leases)
                    .where(leases.c.name == name, leases.c.token == token, leases.c.holder.is_not(None))
                    .values(expires_at=DatabaseNow() + duration)
                ).rowcount
            ),
        )
        return renewed == 1

    def release(self, name: str, token: int) -> bool:
        """Give it back, so that another need not wait. False if it was no longer held with this token."""
        released = write(
            self._engine,
            lambda connection: (
                connection.execute(
                    update(leases)
                    .where(leases.c.name == name, leases.c.token == token, leases.c.holder.is_not(None))
                    .values(holder=None, expires_at=0)
                ).rowcount
            ),
        )
        return released == 1

    def holder(self, name: str) -> Lease | None:
        """Who holds it at this moment, or None."""
        left = (leases.c.expires_at - DatabaseNow()).label("left")
        with reading(self._engine) as connection:
            row = connection.execute(
                select(leases.c.holder, leases.c.token, left).where(leases.c.name == name, leases.c.holder.is_not(None))
            ).one_or_none()
        if row is None or row.left <= 0:
            return None
        return Lease(name, row.holder, row.token, row.left / 1_000_000)


def _microseconds(seconds: float) -> int:
    if not 0 < seconds < 1e9:
        raise InvalidSettingError(f"a lease of {seconds} seconds is not possible: give a positive duration")
    return round(seconds * 1_000_000)
