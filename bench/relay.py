"""The relay, with the benchmark's consumer known to it."""

from django.core.management import call_command

from bench.worker import app  # what it imports sets Django up and registers the consumer

if __name__ == "__main__":
    app.set_current()
    call_command("relay")
