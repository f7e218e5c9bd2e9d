"""`framedb cluster`: clusters made, looked at, scaled and removed."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from framedb.cli.output import console, errors, node, print_json, size
from framedb.cli.signals import stop_on_signals
from framedb.errors import FrameDBError, NotFoundError

if TYPE_CHECKING:
    from framedb.client.http import NodeClient

app = typer.Typer(help="Clusters: servers that hold frames in memory.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Name = Annotated[str, typer.Argument(help="The cluster's name.")]

_DEADLINE = 300.0  # seconds: making a cluster takes a few, on a busy machine more
_EVERY = 1.0  # seconds between two looks


@app.command("create", epilog="Example: framedb cluster create hall --replicas 3 --node-tag local")
def create(
    name: Annotated[str, typer.Argument(help="Its name: up to 40 of a-z, 0-9 and -.")],
    replicas: Annotated[int, typer.Option(help="Members, the master included.")] = 1,
    quorum: Annotated[int | None, typer.Option(help="Sentinels that must agree before a failover.")] = None,
    node_tag: Annotated[str, typer.Option(help="Where it runs.")] = "local",
    metrics: Annotated[bool, typer.Option("--metrics", help="Give it a Prometheus endpoint.")] = False,
    json: Json = False,
) -> None:
    """Make a cluster, and wait until every member answers."""
    body = {
        "clusterName": name,
        "nodeTag": node_tag,
        "replicas": replicas,
        "enableMetrics": metrics,
        "quorum": quorum if quorum is not None else replicas // 2 + 1,
    }
    with node(timeout=_DEADLINE) as http:
        answer = http.json("POST", "/cluster/createCluster", body=body)
        made = _info(http, name)
    if answer.get("warning"):
        errors.print(f"[yellow]warning:[/] {escape(answer['warning'])}")
    if json:
        print_json(made)
        return
    console.print(f"cluster {name} is ready: {_members(made)}, master on port {made['master_port']}", markup=False)


@app.command("list", epilog="Example: framedb cluster list --json")
def list_clusters(json: Json = False) -> None:
    """Every cluster, and how it is."""
    with node() as http:
        clusters = http.json("GET", "/v1/clusters")["clusters"]
    if json:
        print_json(clusters)
        return
    table = Table("cluster", "node tag", "state", "members", "master", "sources", "memory", box=None, pad_edge=False)
    for each in clusters:
        online = sum(member["state"] == "online" for member in each["members"])
        table.add_row(
            each["_id"],
            each["node_tag"],
            each["state"],
            f"{online} of {each['replicas']}",
            str(each["master_port"] or "-"),
            str(each["sources"]),
            _memory(next((member for member in each["members"] if member["role"] == "master"), None)),
        )
    console.print(table)


@app.command("info", epilog="Example: framedb cluster info hall --json")
def info(name: Name, json: Json = False) -> None:
    """One cluster: what is wanted, where it is reached, and how each member is."""
    with node() as http:
        told = _info(http, name)
    if json:
        print_json(told)
        return
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_row("cluster", f"{told['_id']} ({told['state']})")
    facts.add_row("node tag", told["node_tag"])
    facts.add_row("wanted", f"{_members(told)}, quorum {told['quorum']}")
    facts.add_row("sources", str(told["sources"]))
    if told["metrics_port"]:
        facts.add_row("metrics", f"http://{told['svc_host']}:{told['metrics_port']}/metrics")
    console.print(facts)
    console.print(_table([told]))


@app.command("scale", epilog="Example: framedb cluster scale hall 3")
def scale(name: Name, replicas: Annotated[int, typer.Argument(help="Members, the master included.")]) -> None:
    """Give a cluster so many members. The master stays alive."""
    with node(timeout=_DEADLINE) as http:
        answer = http.json("POST", "/replication/createReplication", body={"clusterId": name, "replicas": replicas})
    if answer.get("warning"):
        errors.print(f"[yellow]warning:[/] {escape(answer['warning'])}")
    done = "has" if answer["result"].endswith("already exist") else "now has"
    console.print(f"cluster {name} {done} {replicas} member{'s' * (replicas != 1)}", markup=False)


@app.command("remove", epilog="Example: framedb cluster remove hall")
def remove(name: Name) -> None:
    """Remove a cluster. Its sources move to another one of its node tag, if there is one."""
    with node(timeout=_DEADLINE) as http:
        http.json("POST", "/cluster/removeCluster", body={"clusterName": name})
    console.print(f"cluster {name} is removed", markup=False)


@app.command("watch", epilog="Example: framedb cluster watch hall")
def watch(
    name: Annotated[str | None, typer.Argument(help="The cluster's name; by default all.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each look.")] = False,
) -> None:
    """Members, roles, memory and keys, looked at every second until Ctrl-C."""
    stop = stop_on_signals()
    with node() as http:
        clusters = _look(http, name)  # what is wrong from the start ends it; what goes wrong later may pass
        if json:
            _each_second(stop.wait, http, name, clusters, _print_look)
        elif not console.is_terminal:
            _each_second(stop.wait, http, name, clusters, lambda seen, problem: console.print(_view(seen, problem)))
        else:
            with Live(_view(clusters, None), console=console, auto_refresh=False, screen=True) as live:
                _each_second(
                    stop.wait,
                    http,
                    name,
                    clusters,
                    lambda seen, problem: live.update(_view(seen, problem), refresh=True),
                )


def _each_second(
    wait: Callable[[float], bool],
    http: "NodeClient",
    name: str | None,
    clusters: list[dict[str, Any]],
    show: Callable[[list[dict[str, Any]], str | None], None],
) -> None:
    """Show what is seen until it is time to stop; what does not answer is shown as it was, with why."""
    problem: str | None = None
    while True:
        show(clusters, problem)
        if wait(_EVERY):
            return
        try:
            clusters, problem = _look(http, name), None
        except NotFoundError as exc:
            clusters, problem = [], str(exc)
        except FrameDBError as exc:
            problem = str(exc)


def _look(http: "NodeClient", name: str | None) -> list[dict[str, Any]]:
    if name is not None:
        return [_info(http, name)]
    clusters: list[dict[str, Any]] = http.json("GET", "/v1/clusters")["clusters"]
    return clusters


def _info(http: "NodeClient", name: str) -> dict[str, Any]:
    told: dict[str, Any] = http.json("POST", "/cluster/getClusterInfo", body={"clusterName": name})["result"]
    return told


def _print_look(clusters: list[dict[str, Any]], problem: str | None) -> None:
    print_json({"clusters": clusters, **({"error": problem} if problem else {})})


def _view(clusters: list[dict[str, Any]], problem: str | None) -> Group:
    below = f"[red]{escape(problem)}[/]" if problem else f"[dim]{time.strftime('%H:%M:%S')}  Ctrl-C ends[/]"
    return Group(_table(clusters), below)


def _table(clusters: list[dict[str, Any]]) -> Table:
    table = Table("member", "role", "state", "memory", "keys", "link", "address", box=None, pad_edge=False)
    for cluster in clusters:
        for member in cluster["members"]:
            table.add_row(
                member["name"],
                f"[bold]{member['role']}[/]" if member["role"] == "master" else member["role"],
                member["state"] if member["state"] == "online" else f"[red]{member['state']}[/]",
                _memory(member),
                str(member["keys"]),
                member["link"],
                f"{member['host']}:{member['port']}",
            )
        if not cluster["members"]:
            table.add_row(cluster["_id"], "-", cluster["state"], "-", "-", "-", "-")
    return table


def _memory(member: dict[str, Any] | None) -> str:
    if member is None:
        return "-"
    return f"{size(member['used_memory_bytes'])} of {size(member['maxmemory_bytes'])}"


def _members(cluster: dict[str, Any]) -> str:
    return f"{cluster['replicas']} member{'s' * (cluster['replicas'] != 1)}"
