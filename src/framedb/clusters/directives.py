"""The Redis directives that may be set from outside, each with its bounds.

A directive that is not named here cannot be set, and so nothing that reaches the file system, the network, the passwords or
the replication of a cluster can. Values are checked and written in one way before anything is sent to a server.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from framedb.config import MiB
from framedb.errors import InvalidInputError

TiB = 1024 * 1024 * MiB
_DAY = 24 * 3600
_UNITS = {"": 1, "b": 1, "k": 1000, "kb": 1024, "m": 1000**2, "mb": MiB, "g": 1000**3, "gb": 1024 * MiB}
_SIZE = re.compile(r"([0-9]{1,18})([a-z]{0,2})")
_MOST_SAVE_POINTS = 8


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive that may be set."""

    name: str
    form: str
    """What its value may be, for a person."""
    read: Callable[[str], str | None]
    """The value as it is registered and sent; None for one that cannot be."""


def parse_size(text: str) -> int | None:
    """Bytes, from a size as Redis writes it: `1048576`, `100mb` (of 1024), `1g` (of 1000); None for anything else."""
    found = _SIZE.fullmatch(text.strip().lower())
    if found is None or found[2] not in _UNITS:
        return None
    return int(found[1]) * _UNITS[found[2]]


def check_directive(name: str, value: object) -> tuple[str, str]:
    """Name and value as they are registered and sent. Raises InvalidInputError that says what may be given."""
    directive = published(name)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidInputError(f"{directive.name} must be text or a whole number: {directive.form}")
    read = directive.read(str(value).strip())
    if read is None:
        raise InvalidInputError(f"{directive.name} cannot be {str(value)[:64]!r}: give {directive.form}")
    return directive.name, read


def published(name: object) -> Directive:
    """The directive of that name, in any case. Raises InvalidInputError that lists what there is."""
    found = PUBLISHED.get(name.strip().lower()) if isinstance(name, str) else None
    if found is None:
        raise InvalidInputError(f"{str(name)[:64]!r} cannot be read or set: choose one of {', '.join(PUBLISHED)}")
    return found


def check_settings(settings: Mapping[str, object], *, accepts_sources: bool) -> dict[str, str]:
    """All of a cluster's settings, checked. Raises InvalidInputError.

    A cluster that takes sources may not evict: each of its frames goes by its source's policy, and is counted.
    """
    checked = dict(check_directive(name, value) for name, value in settings.items())
    policy = checked.get("maxmemory-policy", "noeviction")
    if accepts_sources and policy != "noeviction":
        raise InvalidInputError(
            f"maxmemory-policy cannot be {policy} here: this cluster takes sources, whose frames go by their own policy and "
            "are counted, never evicted unseen; use an instance that takes no sources"
        )
    return checked


def parse_redis_config(lines: object) -> dict[str, str]:
    """Directives as lines of a configuration file, such as `maxmemory 1gb`, checked. Raises InvalidInputError.

    As in such a file, the last line of a name counts, and lines of `save` add up until `save ""` begins anew.
    """
    if isinstance(lines, str) or not isinstance(lines, Iterable):
        raise InvalidInputError('redis_config must be a list of lines such as "maxmemory 1gb"')
    settings: dict[str, str] = {}
    for line in lines:
        if not isinstance(line, str) or not line.strip():
            raise InvalidInputError('each line of redis_config must be text such as "maxmemory 1gb"')
        given, _, rest = line.strip().partition(" ")
        name, value = check_directive(given, rest)
        if name == "save" and value and settings.get("save"):
            _, value = check_directive(name, f"{settings['save']} {value}")
        settings[name] = value
    return settings


def _whole(low: int, high: int, unit: str = "") -> tuple[str, Callable[[str], str | None]]:
    def read(text: str) -> str | None:
        if not re.fullmatch(r"-?[0-9]{1,18}", text) or not low <= int(text) <= high:
            return None
        return str(int(text))

    return f"a whole number{unit and ' of ' + unit} from {low} to {high}", read


def _bytes(low: int, high: int) -> tuple[str, Callable[[str], str | None]]:
    def read(text: str) -> str | None:
        size = parse_size(text)
        return None if size is None or not low <= size <= high else str(size)

    return f"a size such as 256mb, from {low} to {high} bytes", read


def _one_of(*values: str) -> tuple[str, Callable[[str], str | None]]:
    def read(text: str) -> str | None:
        return text.lower() if text.lower() in values else None

    return f"one of {', '.join(values)}", read


def _events(text: str) -> str | None:
    text = text.strip('"')
    return text if re.fullmatch(r"[KEg$lshzxetdmnA]{0,16}", text) else None


def _save_points(text: str) -> str | None:
    if text in ("", '""', "''"):
        return ""
    if not re.fullmatch(r"[0-9]{1,9}(\s+[0-9]{1,9})*", text):
        return None
    numbers = [int(number) for number in text.split()]
    seconds, changes = numbers[::2], numbers[1::2]
    if len(seconds) != len(changes) or len(seconds) > _MOST_SAVE_POINTS:
        return None
    if not all(1 <= second <= 7 * _DAY for second in seconds) or min(changes) < 1:
        return None
    return " ".join(str(number) for number in numbers)


_SWITCH = _one_of("yes", "no")

PUBLISHED: Mapping[str, Directive] = {
    name: Directive(name, form, read)
    for name, (form, read) in {
        "maxmemory": _bytes(16 * MiB, TiB),
        "maxmemory-policy": _one_of(
            "noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu",
            "volatile-random", "volatile-ttl",
        ),
        "maxmemory-samples": _whole(1, 64),
        "maxmemory-eviction-tenacity": _whole(0, 100),
        "lfu-log-factor": _whole(0, 255),
        "lfu-decay-time": _whole(0, 1440, "minutes"),
        "save": (
            f'pairs of seconds and changed keys such as 900 1, at most {_MOST_SAVE_POINTS}, or "" for never', _save_points,
        ),
        "stop-writes-on-bgsave-error": _SWITCH,
        "rdbcompression": _SWITCH,
        "appendonly": _SWITCH,
        "appendfsync": _one_of("always", "everysec", "no"),
        "no-appendfsync-on-rewrite": _SWITCH,
        "auto-aof-rewrite-percentage": _whole(0, 1000, "percent"),
        "auto-aof-rewrite-min-size": _bytes(MiB, TiB),
        "timeout": _whole(0, _DAY, "seconds"),
        "tcp-keepalive": _whole(0, 3600, "seconds"),
        # Below it the sentinels, the replicas and the node itself might find no room.
        "maxclients": _whole(64, 100_000),
        "hz": _whole(1, 500),
        "active-expire-effort": _whole(1, 10),
        "activedefrag": _SWITCH,
        "lazyfree-lazy-eviction": _SWITCH,
        "lazyfree-lazy-expire": _SWITCH,
        "lazyfree-lazy-server-del": _SWITCH,
        "lazyfree-lazy-user-del": _SWITCH,
        "slowlog-log-slower-than": _whole(-1, 60_000_000, "microseconds"),
        "slowlog-max-len": _whole(0, 10_000),
        "latency-monitor-threshold": _whole(0, 60_000, "milliseconds"),
        "latency-tracking": _SWITCH,
        "notify-keyspace-events": ("letters of K E g $ l s h z x e t d m n A", _events),
        "hash-max-listpack-entries": _whole(0, 65_536),
        "hash-max-listpack-value": _whole(0, 65_536, "bytes"),
        "set-max-intset-entries": _whole(0, 65_536),
        "zset-max-listpack-entries": _whole(0, 65_536),
        "zset-max-listpack-value": _whole(0, 65_536, "bytes"),
        "list-max-listpack-size": _whole(-5, 65_536),
    }.items()
}  # fmt: skip
"""What may be read and set, by name."""
