"""Make of a GGUF file a folder that vLLM reads."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from guildhall.embedded.engines import model_folder
from guildhall.embedded.model_server import model_file
from guildhall.embedded.process import EmbeddedError


class Command(BaseCommand):
    help = "Convert a GGUF file, or the packaged model, for vLLM, and print the folder. What is there already is not made anew."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, help="the GGUF file; default: the packaged small model")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            folder = model_folder(options["file"] or model_file(), Path(settings.VAR_DIR) / "models")
        except EmbeddedError as problem:
            raise CommandError(str(problem)) from problem
        self.stdout.write(str(folder))
