"""Serve a model and watch over it."""

import json
import logging
import os
import signal
import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from gateway.gpus import keep_on_keeping
from guildhall.embedded import engines, model_server
from guildhall.embedded.engines import Engine
from guildhall.embedded.process import EmbeddedError, free_port
from guildhall.embedded.secrets import Secrets
from guildhall.embedded.supervisor import Supervisor
from guildhall.embedded.users import service_root

LOOK_SECONDS = 5.0
"""How often this machine's GPUs are looked at, where it has some."""


class Command(BaseCommand):
    help = (
        "Serve a model behind the OpenAI protocol until it is told to stop (Ctrl-C, SIGTERM): the engine is started, asked for"
        " its health every 5 s, and started again when it ends or gives no answer for 60 s. The key is LLM_API_KEY, or one"
        " that is made and kept with the stack's."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--engine", choices=engines.KINDS, default=engines.LLAMA)
        parser.add_argument(
            "--model", type=Path, help="a GGUF file or, for vllm, a folder; default: the packaged model"
        )
        parser.add_argument("--name", help="what callers call the model; default: the file's or folder's name")
        parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0 takes a free one")
        parser.add_argument("--context-tokens", type=int, help="what one call may read and write together")
        parser.add_argument(
            "--tool-call-parser",
            default="",
            metavar="NAME",
            help="vllm: the form in which the model writes tool calls, such as hermes; left out, none are taken",
        )
        parser.add_argument("--log", type=Path, help="default: log/ENGINE.log under GUILDHALL_VAR")
        parser.add_argument(
            "further", nargs="*", metavar="ARGUMENT", help="vllm: further arguments of its own, after --"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        refuse(options["engine"], options["tool_call_parser"], options["further"])
        logging.getLogger("guildhall.embedded").setLevel(logging.INFO)
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: stop.set())
        try:
            engine = self._engine(options)
            threading.Thread(target=keep_on_keeping, args=(stop, LOOK_SECONDS), name="gpus", daemon=True).start()
            log = options["log"] or Path(settings.VAR_DIR) / "log" / f"{engine.kind}.log"
            Supervisor([engines.service(engine, log.resolve())]).run(stop, lambda: self._announce(engine))
        except EmbeddedError as problem:
            raise CommandError(str(problem)) from problem

    def _engine(self, options: dict[str, Any]) -> Engine:
        kind, var = options["engine"], Path(settings.VAR_DIR)
        given = (options["model"] or model_server.model_file()).resolve()
        usual = engines.VLLM_CONTEXT_TOKENS if kind == engines.VLLM else model_server.CONTEXT_TOKENS
        return Engine(
            kind=kind,
            model=engines.model_folder(given, var / "models") if kind == engines.VLLM else given,
            name=options["name"] or (given.stem if given.is_file() else given.name),
            port=options["port"] or free_port(),
            key=os.environ.get("LLM_API_KEY") or Secrets(service_root(var) / "secrets.json")["model_server"],
            context_tokens=options["context_tokens"] or settings.LLM_CONTEXT_TOKENS or usual,
            tool_call_parser=options["tool_call_parser"],
            further=tuple(options["further"]),
        )

    def _announce(self, engine: Engine) -> None:
        """One line of JSON once it answers, for whoever waits for it; the key is not in it."""
        self.stdout.write(json.dumps({"engine": engine.kind, "base_url": engine.base_url, "model": engine.name}))
        self.stdout.flush()


def refuse(kind: str, tool_call_parser: str, further: list[str]) -> None:
    """Raise `CommandError` for what is no argument of this engine's, or is said to it by the command itself."""
    if kind != engines.VLLM and (further or tool_call_parser):
        raise CommandError("--tool-call-parser and further arguments are for --engine vllm.")
    said = {argument.partition("=")[0].replace("_", "-") for argument in further}
    if taken := [name for name in engines.OURS if name in said]:
        raise CommandError(f"serve_model says {', '.join(taken)} to vLLM itself: use its own options, before the --.")
