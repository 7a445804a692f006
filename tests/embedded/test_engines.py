"""`manage.py serve_model` with llama.cpp: it serves to its key alone, comes back when it dies, and leaves nothing behind.

vLLM is served by the same command; `make test-vllm` shows that, in an environment of its own.
"""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest
import yaml
from django.core.management import CommandError, call_command

from gateway.engines import read_metrics
from guildhall.embedded import engines, model_server
from guildhall.embedded.engines import Engine, vllm_command
from guildhall.embedded.management.commands import serve_model
from guildhall.embedded.process import EmbeddedError
from tests.support.engine import KEY
from tests.support.processes import ROOT, running, until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The base URL that was announced, and the command's own process."""
    folder = tmp_path_factory.mktemp("engine")
    out, log = folder / "out.log", folder / "engine.log"
    command = ["manage.py", "serve_model", "--name", "local", "--log", str(log)]
    with running(*command, log=out, env={**os.environ, "LLM_API_KEY": KEY}) as process:

        def announced() -> list[str]:
            assert process.poll() is None, out.read_text()
            return [line for line in out.read_text().splitlines() if line.startswith("{") and line.endswith("}")]

        said = json.loads(until(announced, seconds=90, what="the start of the engine")[0])
        assert (said["engine"], said["model"]) == ("llama.cpp", "local")
        yield said["base_url"], process


def models(url: str, key: str = KEY) -> list[str]:
    """The models that the engine lists; nothing when it does not answer."""
    try:
        answer = httpx.get(f"{url}/models", headers={"Authorization": f"Bearer {key}"}, timeout=5)
        return [row["id"] for row in answer.raise_for_status().json()["data"]]
    except httpx.HTTPError:
        return []


def server_of(command: subprocess.Popen[bytes]) -> psutil.Process | None:
    """The engine's process; none while one has ended and the next has not begun."""
    for process in psutil.Process(command.pid).children(recursive=True):
        with suppress(psutil.Error):
            if model_server.__name__ in process.cmdline():
                return process
    return None


def test_a_served_model_comes_back_and_ends_with_its_watcher(served: tuple[str, subprocess.Popen[bytes]]) -> None:
    url, command = served
    assert url.startswith("http://127.0.0.1:")
    assert models(url) == ["local"]
    body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
    told = {"Authorization": f"Bearer {KEY}"}
    assert httpx.post(f"{url}/chat/completions", json=body, timeout=60).status_code == 401
    answer = httpx.post(f"{url}/chat/completions", json=body, headers=told, timeout=60).json()
    assert answer["usage"]["completion_tokens"] == 4
    told_metrics = httpx.get(f"{url.removesuffix('/v1')}/metrics", headers=told, timeout=5).raise_for_status().text
    figures = read_metrics(told_metrics)
    assert (figures["running"], figures["waiting"], figures["written"] >= 4) == (0, 0, True), "what routing goes by"
    first = server_of(command)
    assert first is not None
    assert KEY not in " ".join(first.cmdline()), "no list of processes shows the key"
    assert not {"DATABASE_URL", "DATABASE_ADMIN_URL", "SECRET_KEY"} & set(first.environ())
    first.kill()
    until(
        lambda: (again := server_of(command)) is not None and again.pid != first.pid, seconds=90, what="another server"
    )
    until(lambda: models(url) == ["local"], seconds=90, what="its answer")
    last = server_of(command)
    assert last is not None
    command.terminate()
    assert command.wait(120) == 0
    assert not last.is_running()
    assert models(url) == []


def test_what_cannot_be_served_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(engines.PYTHON, str(tmp_path / "nowhere"))
    with pytest.raises(EmbeddedError, match="make vllm"):
        engines.vllm_python()
    with pytest.raises(EmbeddedError, match="neither a GGUF file nor a model folder"):
        engines.model_folder(tmp_path / "nothing", tmp_path)


def _interpolated(text: str, env: dict[str, str]) -> str:
    """As Compose fills in what is set: `${NAME:-otherwise}` and `${NAME:+in its place}`."""

    def value(match: re.Match[str]) -> str:
        name, sign, other = match.groups()
        return (other if env.get(name) else "") if sign == "+" else env.get(name) or other

    return re.sub(r"\$\{(\w+):([-+])([^}]*)\}", value, text)


def test_the_compose_file_serves_by_the_same_command() -> None:
    composed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["vllm"]
    usual = Engine(engines.VLLM, Path("/model"), "served", 8000, "", engines.VLLM_CONTEXT_TOKENS, host="0.0.0.0")  # noqa: S104
    with_tools = replace(
        usual, context_tokens=32768, tool_call_parser="hermes", further=("--tensor-parallel-size", "2")
    )
    told = {
        "VLLM_CONTEXT_TOKENS": "32768",
        "VLLM_TOOL_CALL_PARSER": "hermes",
        "VLLM_ARGUMENTS": "--tensor-parallel-size 2",
    }
    for env, ours in (({}, usual), (told, with_tools)):
        said = shlex.split(_interpolated(composed["command"], env))
        assert [*composed["entrypoint"], *said] == vllm_command("python3", ours, compiled=True)
    assert composed["profiles"] == ["gpu"]
    assert ":" in composed["image"].rpartition("/")[2], "the image has a tag"
    assert not composed["image"].endswith(":latest")
    assert all(port.startswith("127.0.0.1:") for port in composed["ports"])
    assert "VLLM_API_KEY" in composed["environment"]
    (gpu,) = composed["deploy"]["resources"]["reservations"]["devices"]
    assert gpu["capabilities"] == ["gpu"]


def test_tools_are_taken_where_their_form_is_named_and_nothing_is_said_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve_model.Command, "_engine", lambda *_: pytest.fail("an engine would be served"))
    ours = Engine(engines.VLLM, Path("/model"), "served", 8000, "", engines.VLLM_CONTEXT_TOKENS)
    assert "--enable-auto-tool-choice" not in vllm_command("python3", ours, compiled=True)
    told = replace(ours, tool_call_parser="hermes", further=("--chat-template", "/model/tools.jinja"))
    assert vllm_command("python3", told, compiled=True)[-5:] == [
        "--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--chat-template", "/model/tools.jinja",
    ]  # fmt: skip
    for options, words in (
        (["--engine", "vllm", "--", "--port=80", "--max_model_len", "9"], "--port, --max-model-len to vLLM itself"),
        (["--tool-call-parser", "hermes"], "are for --engine vllm"),
        (["--", "--seed", "7"], "are for --engine vllm"),
    ):
        with pytest.raises(CommandError, match=words):
            call_command("serve_model", *options)


def test_what_the_command_is_told_the_engine_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_API_KEY", KEY)
    command = serve_model.Command()
    said = ["--engine", "vllm", "--model", str(tmp_path), "--context-tokens", "9000", "--tool-call-parser", "hermes"]
    told = command.create_parser("manage.py", "serve_model").parse_args([*said, "--", "--seed", "7"])
    engine = command._engine(vars(told))
    assert (engine.tool_call_parser, engine.further, engine.context_tokens) == ("hermes", ("--seed", "7"), 9000)


def test_a_cpu_is_served_in_the_numbers_that_it_multiplies_fast() -> None:
    assert engines.cpu_dtype("fpu avx2 avx512f avx512_bf16") == "bfloat16"
    assert engines.cpu_dtype("fpu sse4_2 avx2") == "float32"
    ours = Engine(engines.VLLM, Path("/model"), "served", 8000, "", engines.VLLM_CONTEXT_TOKENS)
    command = vllm_command("python3", ours, compiled=False)
    assert command[command.index("--dtype") + 1] == engines.cpu_dtype()
    assert "--no-enable-chunked-prefill" in command, "a seed and a prompt read in parts end the CPU build"
    assert command[command.index("--block-size") + 1] == "32", "what prompts share is read once, in whole blocks"


def test_vllm_works_on_all_of_a_small_machines_cpus_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Engine(engines.VLLM, Path("/model"), "served", 8000, "", engines.VLLM_CONTEXT_TOKENS)
    cpus = set(range(2))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cpus)
    assert engines.environment(ours)["VLLM_CPU_OMP_THREADS_BIND"] == "0,1"
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "1")
    assert engines.environment(ours)["VLLM_CPU_OMP_THREADS_BIND"] == "1"
    monkeypatch.delenv("VLLM_CPU_OMP_THREADS_BIND")
    cpus.update(range(16))
    assert "VLLM_CPU_OMP_THREADS_BIND" not in engines.environment(ours), "a large one has one to spare"
