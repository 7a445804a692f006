"""`make bench`: all benchmarks, or those named: `python -m bench tenants outbox`.

`make bench ENGINE=vllm` (`--engine vllm`) measures what asks a model on that engine, and leaves the rest out.
"""

import argparse
import importlib
import logging
import os
import warnings

from bench.figures import Load
from bench.stack import stack

ROUNDS = {
    "tenants": 20,
    "overhead": 300,
    "outbox": 200,
    "fanout": 50,
    "ledger": 1000,
    "pages": 100,
    "engine": 5,
    "councils": 2,
    "killswitch": 3,
    "workers": 2,
}
LEAST = {"councils": 1, "engine": 1, "workers": 1}
ASK_A_MODEL = ("engine", "councils")
ENGINES = ("embedded", "vllm")


def main() -> None:
    """Run them one after the other on servers of their own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(ROUNDS)}; all when left out")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rounds, to see that they run")
    parser.add_argument("--engine", choices=ENGINES, help="the model server; alone, it leaves out what asks no model")
    options = parser.parse_args()
    if options.engine:
        os.environ["ENGINE"] = options.engine
    warnings.simplefilter("ignore")
    with stack():
        # Peers that collide do so thousands of times by design; their lines would bury the figures.
        logging.getLogger("guildhall").setLevel(logging.WARNING)
        for name in options.names or (ASK_A_MODEL if options.engine else ROUNDS):
            load = Load()
            rounds = max(LEAST.get(name, 3), ROUNDS[name] // 10) if options.quick else ROUNDS[name]
            importlib.import_module(f"bench.{name}").run(rounds)
            print(load.line(), flush=True)


if __name__ == "__main__":
    main()
