"""The command line: `framedb --help`.

Here: one file per noun; each command reads its arguments, calls the client or the node, and prints. Every failure is one
clear line and a non-zero exit. Not here: anything a program could not do through `client` or `node`.
"""

from framedb.cli.main import main

__all__ = ["main"]
