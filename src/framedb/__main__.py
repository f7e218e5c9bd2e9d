"""`python -m framedb`: the command line."""

from framedb.cli import main

main()
