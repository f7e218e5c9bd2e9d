"""One side of a comparison, alone in this process: python -m benchmarks.side MODULE SIDE TIMES < TARGET

Prints the seconds of each time as a JSON list.
"""

import importlib
import json
import sys

from benchmarks.comparison import Side
from benchmarks.target import Target


def main() -> None:
    """Run the side the arguments name on the target that standard input describes."""
    module, name, times = sys.argv[1:]
    side: Side = importlib.import_module(f"benchmarks.{module}").SIDES[name]
    print(json.dumps(side(Target.from_json(sys.stdin.read()), int(times))))


if __name__ == "__main__":
    main()
