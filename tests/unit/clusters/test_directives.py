"""What may be set from outside, and within which bounds."""

import pytest

from framedb.clusters.directives import PUBLISHED, check_directive, check_settings, parse_redis_config, parse_size
from framedb.errors import InvalidInputError

FORBIDDEN = [
    "dir", "dbfilename", "include", "loadmodule", "rename-command", "requirepass", "masterauth", "masteruser", "user",
    "aclfile", "port", "bind", "unixsocket", "logfile", "pidfile", "replicaof", "slaveof", "appenddirname", "appendfilename",
    "protected-mode", "enable-debug-command", "enable-module-command", "enable-protected-configs", "daemonize", "supervised",
    "min-replicas-to-write", "repl-backlog-size", "client-output-buffer-limit", "cluster-enabled", "tls-key-file",
    "max*", "*", "", "save\nrequirepass", "maxmemory ",
]  # fmt: skip


@pytest.mark.parametrize("name", [name for name in FORBIDDEN if name != "maxmemory "])
def test_what_reaches_files_network_passwords_or_replication_is_not_published(name: str) -> None:
    with pytest.raises(InvalidInputError, match="choose one of maxmemory"):
        check_directive(name, "yes")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1048576", 1048576), ("100b", 100), ("1k", 1000), ("1kb", 1024), ("1m", 1_000_000), ("64MB", 64 * 2**20),
        ("1g", 10**9), ("1gb", 2**30), (" 2GB ", 2**31), ("1gib", None), ("1 gb", None), ("-1", None), ("1.5gb", None),
        ("", None), ("gb", None), ("1tb", None), ("١gb", None), ("9" * 19, None),
    ],
)  # fmt: skip
def test_sizes_are_read_as_redis_reads_them(text: str, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("name", "given", "registered"),
    [
        ("maxmemory", "1gb", str(2**30)), ("maxmemory", 16 * 2**20, str(16 * 2**20)), ("MAXMEMORY", "1gb", str(2**30)),
        ("maxmemory-policy", "AllKeys-LRU", "allkeys-lru"), ("save", "900 1  300   10", "900 1 300 10"), ("save", '""', ""),
        ("save", "", ""), ("appendonly", "YES", "yes"), ("slowlog-log-slower-than", "-1", "-1"), ("timeout", "007", "7"),
        ("hz", 500, "500"), ("notify-keyspace-events", "KEA", "KEA"), ("notify-keyspace-events", '""', ""),
        ("list-max-listpack-size", "-5", "-5"),
    ],
)  # fmt: skip
def test_a_value_is_registered_in_one_form(name: str, given: str | int, registered: str) -> None:
    assert check_directive(name, given) == (name.lower(), registered)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("maxmemory", "0"), ("maxmemory", str(16 * 2**20 - 1)), ("maxmemory", "1025gb"), ("maxmemory", "many"),
        ("maxmemory-policy", "allkeys"), ("save", "900"), ("save", "0 1"), ("save", "900 0"), ("save", "604801 1"),
        ("save", "900 1\nrequirepass x"), ("save", " ".join(["900 1"] * 9)), ("save", "-1 1"), ("appendonly", "maybe"),
        ("timeout", "-1"), ("timeout", "86401"), ("timeout", "1.5"), ("timeout", "1\n2"), ("maxclients", "63"),
        ("hz", "501"), ("hz", ""), ("slowlog-log-slower-than", "-2"), ("notify-keyspace-events", "KEX"),
        ("latency-monitor-threshold", "1" * 30), ("tcp-keepalive", "3601"), ("maxmemory-samples", "0"),
    ],
)  # fmt: skip
def test_a_value_out_of_bounds_is_refused_with_what_may_be_given(name: str, value: str) -> None:
    with pytest.raises(InvalidInputError, match=f"{name} cannot be .*: give "):
        check_directive(name, value)


@pytest.mark.parametrize("value", [True, None, 1.5, ["1"], {"a": 1}])
def test_a_value_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(InvalidInputError, match="timeout must be text or a whole number"):
        check_directive("timeout", value)


@pytest.mark.parametrize("name", [None, 7, ["save"]])
def test_a_name_of_another_type_is_refused(name: object) -> None:
    with pytest.raises(InvalidInputError, match="cannot be read or set"):
        check_directive(name, "1")  # type: ignore[arg-type]


def test_every_published_directive_says_what_it_takes_and_refuses_nonsense() -> None:
    for name, directive in PUBLISHED.items():
        assert directive.name == name
        assert directive.form
        assert directive.read("no such value; \n") is None, name


def test_a_cluster_that_takes_sources_evicts_nothing() -> None:
    with pytest.raises(InvalidInputError, match="takes sources"):
        check_settings({"maxmemory-policy": "allkeys-lru"}, accepts_sources=True)
    assert check_settings({"maxmemory-policy": "noeviction"}, accepts_sources=True) == {
        "maxmemory-policy": "noeviction"
    }
    assert check_settings({"maxmemory-policy": "allkeys-lru"}, accepts_sources=False) == {
        "maxmemory-policy": "allkeys-lru"
    }


def test_lines_of_a_configuration_file_are_read_as_settings() -> None:
    lines = ["maxmemory 1gb", "  save 900 1", "save 300 10 ", "timeout 10", "timeout 20"]
    assert parse_redis_config(lines) == {"maxmemory": str(2**30), "save": "900 1 300 10", "timeout": "20"}
    assert parse_redis_config(["save 900 1", 'save ""', "save 60 5"]) == {"save": "60 5"}
    assert parse_redis_config([]) == {}


@pytest.mark.parametrize(
    "lines", ["maxmemory 1gb", None, 7, [7], [""], ["include /etc/passwd"], ["maxmemory"], ["save 900 1", 'dir "/tmp"']]
)
def test_lines_that_are_no_settings_are_refused(lines: object) -> None:
    with pytest.raises(InvalidInputError):
        parse_redis_config(lines)
