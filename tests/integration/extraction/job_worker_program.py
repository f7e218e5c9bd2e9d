"""A job worker as a process: `DATABASE_URL FRAMES_FOLDER`. It stops in order when its standard input closes."""

import sys
from pathlib import Path

from framedb.registry import open_engine
from tests.integration.extraction.workshop import workshop

engine = open_engine(sys.argv[1])
with workshop(engine, Path(sys.argv[2])).worker():
    print("ready", flush=True)
    sys.stdin.read()
engine.dispose()
