"""Model engines as services: llama.cpp and vLLM behind the same protocol, each by one command.

vLLM has an environment of its own (`make vllm`, or a GPU build that `GUILDHALL_VLLM_PYTHON` names): its lock and
ours do not go together. The command is the same for GPU and CPU, but for `CPU_ONLY`.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from guildhall.embedded import engines_convert, model_server
from guildhall.embedded.process import EmbeddedError
from guildhall.embedded.roles import URLS
from guildhall.embedded.service import CHECK_SECONDS, Service
from guildhall.embedded.static import REPOSITORY

LLAMA, VLLM = "llama.cpp", "vllm"
KINDS = (LLAMA, VLLM)
PYTHON = "GUILDHALL_VLLM_PYTHON"
VLLM_MODULE = "vllm.entrypoints.openai.api_server"
VLLM_CONTEXT_TOKENS = 4096
START_SECONDS = {LLAMA: 120.0, VLLM: 900.0}
STOP_SECONDS = 20.0
CPU_ONLY = ("--enforce-eager", "--no-enable-chunked-prefill", "--block-size", "32", "--stream-interval", "4")
"""A CPU compiles nothing. And a prompt that is read in parts ends vLLM's CPU build when its call has a seed: it takes the
generator back, which a CPU's cannot. What several prompts begin with is read once, in whole blocks: the usual 128 tokens
of a CPU's are more than most of ours share. What is written is sent four tokens at a time: sending each by itself takes
time of the CPUs that write.
"""
COMPACT = (
    "--structured-outputs-config.backend",
    "guidance",
    "--structured-outputs-config.disable_any_whitespace",
    "true",
)
"""Where a form is asked for, a small model otherwise fills its answer with line breaks until there is no room for what it
wanted to say. Of the backends that can forbid it, this one takes the most forms.
"""
OURS = ("--model", "--served-model-name", "--host", "--port", "--api-key", "--max-model-len", "--tool-call-parser")
"""What the command says itself, and has options of its own for."""
CACHE_GIB = "2"
"""What vLLM's CPU build keeps for the attention cache unless VLLM_CPU_KVCACHE_SPACE says otherwise."""
FEW_CPUS = 4
LOCAL = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Engine:
    """What to serve, and where: `model` is a GGUF file for llama.cpp and a folder for vLLM, `name` what callers call it.

    `tool_call_parser` is vLLM's name for the form in which the model writes tool calls: without one it refuses every request
    that offers tools. `further` are arguments of vLLM's own.
    """

    kind: str
    model: Path
    name: str
    port: int
    key: str
    context_tokens: int
    host: str = LOCAL
    tool_call_parser: str = ""
    further: tuple[str, ...] = ()

    @property
    def base_url(self) -> str:
        """Where it answers on this machine."""
        return f"http://{LOCAL}:{self.port}/v1"


def vllm_command(python: str, engine: Engine, *, compiled: bool) -> list[str]:
    """The one command that serves a folder with vLLM; `compiled`: with kernels built at the start, as on a GPU.

    The API key is told by the environment (VLLM_API_KEY), where no list of processes shows it.
    """
    parser = engine.tool_call_parser
    return [
        python, "-m", VLLM_MODULE,
        "--model", str(engine.model),
        "--served-model-name", engine.name,
        "--host", engine.host,
        "--port", str(engine.port),
        "--dtype", "bfloat16" if compiled else cpu_dtype(),
        "--max-model-len", str(engine.context_tokens),
        *COMPACT,
        *(() if compiled else CPU_ONLY),
        *(("--enable-auto-tool-choice", "--tool-call-parser", parser) if parser else ()),
        *engine.further,
    ]  # fmt: skip


def cpu_dtype(flags: str | None = None) -> str:
    """The numbers that this machine's CPU multiplies fast, by its `flags` (left out: those that the kernel tells).

    Without instructions for bfloat16 a batch of calls takes ten times as long in it as in float32.
    """
    if flags is None:
        told = Path("/proc/cpuinfo")
        flags = told.read_text() if told.exists() else ""
    return "bfloat16" if {"avx512_bf16", "amx_bf16", "bf16"} & set(flags.split()) else "float32"


def vllm_python() -> str:
    """The interpreter that has vLLM. Raises `EmbeddedError` when there is none, naming what makes one."""
    chosen = os.environ.get(PYTHON, "")
    found = Path(chosen) if chosen else REPOSITORY / ".venv-vllm" / "bin" / "python"
    if not found.is_file():
        raise EmbeddedError(
            f"vLLM is not installed: {found} is no interpreter. `make vllm` installs its CPU build; for a GPU build set"
            f" {PYTHON} to the interpreter of the environment that has it."
        )
    return str(found)


def is_cpu_build(python: str) -> bool:
    """Whether that interpreter's vLLM is the build for CPUs, which goes by another name. Takes a moment."""
    look = "import importlib.metadata as m; m.version('vllm-cpu')"
    return subprocess.run([python, "-c", look], capture_output=True, check=False).returncode == 0


def model_folder(model: Path, store: Path) -> Path:
    """A folder that vLLM reads: `model` itself, or what its GGUF file becomes in `store`, once for each content of it.

    Converting the packaged model takes 20 to 80 s. Raises `EmbeddedError`.
    """
    if model.is_dir():
        return model
    if not model.is_file():
        raise EmbeddedError(f"{model} is neither a GGUF file nor a model folder.")
    with model.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    folder = store / f"{model.stem}-{digest[:12]}"
    if folder.is_dir():
        return folder
    store.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=store))
    try:
        # Not from its own folder: a module of ours there is called as one of the standard library.
        command = [vllm_python(), "-P", engines_convert.__file__, str(model), str(made)]
        done = subprocess.run(command, capture_output=True, text=True, env=_offline(), check=False)
        if done.returncode != 0:
            raise EmbeddedError(f"{model} cannot be converted for vLLM.\n{done.stderr[-2000:]}")
        if not folder.is_dir():  # another process may have been faster
            made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder


def service(engine: Engine, log: Path) -> Service:
    """The engine as something the supervisor starts, watches, starts again and stops. Raises `EmbeddedError`."""
    if engine.kind == VLLM:
        python = vllm_python()
        command = vllm_command(python, engine, compiled=not is_cpu_build(python))
    else:
        command = [sys.executable, "-m", model_server.__name__]
    return Service(
        engine.kind,
        command,
        log=log,
        env=environment(engine),
        ready=lists_models(engine),
        stop_seconds=STOP_SECONDS,
        start_seconds=START_SECONDS[engine.kind],
    )


def environment(engine: Engine) -> dict[str, str]:
    """What the engine's process is told: nothing of the databases, and no address of a hub."""
    if engine.kind == VLLM:
        usual = {"VLLM_CPU_KVCACHE_SPACE": CACHE_GIB, **_all_of_few_cpus(), **_offline()}
        return {**usual, "VLLM_API_KEY": engine.key}
    told = {
        "LLM_API_KEY": engine.key,
        "LLM_CONTEXT_TOKENS": str(engine.context_tokens),
        "GUILDHALL_MODEL_PORT": str(engine.port),
        model_server.FILE: str(engine.model),
        model_server.NAME: engine.name,
    }
    return {**_told(os.environ), **told}


def _all_of_few_cpus() -> dict[str, str]:
    """vLLM's CPU build leaves a CPU out for what hands calls to it: on a small machine a large part of what there is."""
    cpus = sorted(os.sched_getaffinity(0))
    return {"VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, cpus))} if len(cpus) <= FEW_CPUS else {}


def lists_models(engine: Engine) -> Callable[[], bool]:
    """A check: the engine says, to its key, that it serves the model. One that is loading or has died inside does not."""
    asked = Request(f"{engine.base_url}/models", headers={"Authorization": f"Bearer {engine.key}"})  # noqa: S310

    def check() -> bool:
        try:
            with urlopen(asked, timeout=CHECK_SECONDS) as answer:  # noqa: S310  our own loopback address
                return f'"{engine.name}"' in answer.read().decode()
        except (URLError, OSError, ValueError):
            return False

    return check


def _offline() -> dict[str, str]:
    return {**_told(os.environ), "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}


def _told(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name not in {*URLS, "SECRET_KEY"}}
