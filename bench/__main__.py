"""`make bench`: all benchmarks, or those named: `python -m bench tenants outbox`."""

import argparse
import importlib
import warnings

from bench.figures import Load
from bench.stack import stack

ROUNDS = {"tenants": 20, "overhead": 300, "outbox": 200, "fanout": 50, "councils": 8, "killswitch": 3}


def main() -> None:
    """Run them one after the other on servers of their own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(ROUNDS)}; all when left out")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rounds, to see that they run")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with stack():
        for name in options.names or ROUNDS:
            load = Load()
            rounds = max(3, ROUNDS[name] // 10) if options.quick else ROUNDS[name]
            importlib.import_module(f"bench.{name}").run(rounds)
            print(load.line(), flush=True)


if __name__ == "__main__":
    main()
