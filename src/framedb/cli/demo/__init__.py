"""`framedb demo`: the main job on real input, end to end, with a worker killed half-way."""

from framedb.cli.demo.command import EXAMPLE, demo

__all__ = ["EXAMPLE", "demo"]
