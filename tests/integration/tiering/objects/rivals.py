"""Several writers of the same keys, each a process of its own, over one registry.

Each reads what to do as a line of JSON, says that it is ready, begins with the next line, and prints its result as JSON.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from framedb.errors import InvalidInputError, NotFoundError
from framedb.placement.instances import PersistentInstances
from framedb.registry import open_engine
from framedb.resp import Endpoint, MasterClient
from framedb.routing import SQLLocator
from framedb.stores.memory import MemoryStore
from framedb.tiering.objects import Objects, StoredObject

PLACES = [("local", "in-memory"), ("mem-db-1", "in-memory"), ("local", "storage"), ("storage-db-1", "storage")]
"""Every instance there is."""

LARGE = 9 * 1024 * 1024
"""Bytes that take several transactions."""


KEYS = 8
"""That are written over and over: `k0`, `k1`, ..."""


@dataclass(frozen=True)
class Setup:
    """What writers share."""

    registry: str
    """Its URL."""
    folder: str
    tidb_url: str | None
    password: str
    ports: dict[str, int]
    """Of the clusters."""


@contextmanager
def opened(setup: Setup) -> Iterator[tuple[Objects, SQLLocator, PersistentInstances]]:
    """The flow of objects as one more process has it."""
    registry = open_engine(setup.registry)
    instances = PersistentInstances(registry, Path(setup.folder), setup.tidb_url)
    instances.ensure_local()
    routing = SQLLocator(registry)
    with ExitStack() as stack:
        memory = {
            name: stack.enter_context(
                MemoryStore(
                    MasterClient.fixed(
                        Endpoint("127.0.0.1", port, password=setup.password), cluster=name, timeout=5.0, wait=0.5
                    )
                )
            )
            for name, port in setup.ports.items()
        }

        def resolve(framedb_id: str) -> str:
            if framedb_id not in memory:
                raise NotFoundError(f"{framedb_id} is no cluster")
            return framedb_id

        yield (
            Objects(routing=routing, memory=memory.__getitem__, persistent=instances.store, resolve_memory=resolve),
            routing,
            instances,
        )
    instances.close()
    registry.dispose()


class Rivals:
    """Writers that begin at the same time."""

    def __init__(self, number: int = 2) -> None:
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", __name__, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for n in range(number)
        ]

    def race(self, setup: Setup, mode: str, *, turns: int, place: int | None = None) -> Sequence[Any]:
        """The results of all of them."""
        task = {"mode": mode, "turns": turns, "place": place, "setup": asdict(setup)}
        assert self._ask(json.dumps(task)) == ["ready"] * len(self._processes)
        return [json.loads(answer) for answer in self._ask("go")]

    def close(self) -> None:
        """End them."""
        for process in self._processes:
            process.communicate()

    def _ask(self, line: str) -> Sequence[str]:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
        return [process.stdout.readline().strip() for process in self._processes if process.stdout is not None]


# What a writer does: `number` is its own.


def replace(objects: Objects, number: int, turns: int, place: int | None) -> None:
    """Write a few keys over and over, into the place, or, without one, everywhere in turn; mostly small."""
    for turn in range(turns):
        framedb_id, type_ = PLACES[(number + turn) % len(PLACES) if place is None else place]
        size = LARGE + number if turn % 12 == 1 else 10 + number
        data = bytes([(16 * number + turn) % 256]) * size
        metadata = {"number": number, "turn": turn, "size": size}
        objects.write(f"k{turn % KEYS}", framedb_id, type_, [data], size=size, metadata=metadata)


def create(objects: Objects, number: int, turns: int, _: int | None) -> list[int]:
    """Write keys that nobody may have written before; which of them were ours."""

    def only_new(stored: StoredObject | None) -> None:
        if stored is not None:
            raise InvalidInputError("somebody was faster")

    written = []
    for turn in range(turns):
        framedb_id, type_ = PLACES[(number + turn) % len(PLACES)]
        try:
            objects.write(f"k{turn}", framedb_id, type_, [b"%d" % number], condition=only_new)
        except InvalidInputError:
            continue
        written.append(turn)
    return written


def count(objects: Objects, number: int, turns: int, _: int | None) -> int:
    """Read a number and write the next one, unless somebody else did meanwhile; how often that was done."""
    done = 0
    for turn in range(turns):
        found = objects.get("k")
        assert found is not None
        before = found[0].version

        def unchanged(stored: StoredObject | None, before: str = before) -> None:
            if stored is None or stored.version != before:
                raise InvalidInputError("somebody was faster")

        framedb_id, type_ = PLACES[(number + turn) % len(PLACES)]
        try:
            objects.write("k", framedb_id, type_, [b"%d" % (int(bytes(found[1])) + 1)], condition=unchanged)
        except InvalidInputError:
            continue
        done += 1
    return done


def come_and_go(objects: Objects, number: int, turns: int, _: int | None) -> None:
    """Write one key, or remove it."""
    for turn in range(turns):
        framedb_id, type_ = PLACES[(number + turn) % len(PLACES)]
        if turn % 2:
            objects.delete("k0")
        else:
            objects.set("k0", framedb_id, b"data", type_)


def main(number: int) -> None:
    """Do what is asked, until nobody asks."""
    modes = {"replace": replace, "create": create, "count": count, "come_and_go": come_and_go}
    while line := sys.stdin.readline():
        task = json.loads(line)
        with opened(Setup(**task["setup"])) as (objects, _, _):
            objects.stat("k")
            print("ready", flush=True)
            sys.stdin.readline()
            print(json.dumps(modes[task["mode"]](objects, number, task["turns"], task["place"])), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
