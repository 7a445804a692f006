"""GPUs by what a program called `nvidia-smi` says: read, kept for a while, shown to owners and told to Prometheus."""

import threading
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from gateway import gpus
from gateway.engines import shared_redis
from gateway.gpus import keep_gpus, keep_on_keeping, kept_gpus, parse_gpus, read_gpus
from gateway.tasks import look_at_all_engines
from tests.support.console import console, new_owner
from tests.support.processes import until

pytestmark = pytest.mark.integration
SAYS = """\
0, NVIDIA H200, 87, 70656, 143771, 61, 512.34
1, NVIDIA H200, [N/A], 4, 143771, 33, [N/A]
No devices were found
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in on the path that takes the real one's words and says what is in `says` beside it."""
    place = tmp_path / "nvidia-smi"
    (tmp_path / "says").write_text(SAYS)
    wanted = "--query-gpu=index,name,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw"
    place.write_text(f"#!/bin/sh\n[ \"$1 $2\" = '{wanted} --format=csv,noheader,nounits' ] && cat {tmp_path}/says\n")
    place.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return place


def test_owners_and_prometheus_see_the_gpus_of_a_machine(database: None, program: Path, settings: Any) -> None:
    shared_redis().delete(gpus.KEPT)
    look_at_all_engines()
    first, second = kept_gpus()
    assert (first.index, first.name, first.use, first.celsius, first.watts) == (0, "NVIDIA H200", 0.87, 61, 512.34)
    assert (first.memory_used, second.use, second.watts) == (69 * 1024**3, None, None)
    browser = console(new_owner())
    page = browser.get("/admin/gateway/deployment/engines/").content.decode()
    for said in ("0: NVIDIA H200", "87 %", "69.0 of 140.4 GiB", "61 °C", "512 W"):
        assert said in page
    told = browser.get("/admin/gateway/deployment/engines.json").json()["gpus"]
    assert [(one["index"], one["use"]) for one in told] == [(0, 0.87), (1, None)]
    settings.METRICS_TOKEN = "only-for-this-test"
    scraped = Client(HTTP_HOST=settings.PUBLIC_HOST).get(
        "/metrics", headers={"Authorization": "Bearer only-for-this-test"}
    )
    text = scraped.content.decode()
    assert f'guildhall_gpu_use{{host="{first.host}",gpu="0"}} 0.87' in text
    assert f'guildhall_gpu_memory_bytes{{host="{first.host}",gpu="1"}} ' in text
    assert f'guildhall_gpu_watts{{host="{first.host}",gpu="1"}}' not in text
    shared_redis().delete(gpus.KEPT)
    assert "NVIDIA" not in browser.get("/admin/gateway/deployment/engines/").content.decode()


def test_without_gpus_or_with_a_program_in_trouble_nothing_is_said(
    database: None, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared_redis().delete(gpus.KEPT)
    assert [gpu.at for gpu in parse_gpus("0, A, 1\nx, A, 1, 2, 3, 4, 5\n", "here", 0.0)] == []
    assert parse_gpus("0, A, nan, 2, 3, 4, 5", "here", 0.0)[0].use is None
    program.write_text("#!/bin/sh\necho 'Failed to communicate with the driver'; exit 9\n")
    assert read_gpus() == []
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(gpus, "ASK_SECONDS", 0.2)
    assert read_gpus() == []
    program.unlink()
    keep_gpus()
    keep_on_keeping(threading.Event(), 60)
    assert kept_gpus() == []


def test_what_serves_a_model_keeps_on_looking(database: None, program: Path) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=keep_on_keeping, args=(stop, 0.01))
    shared_redis().delete(gpus.KEPT)
    thread.start()
    try:
        until(lambda: len(kept_gpus()) == 2, what="both are kept")
    finally:
        stop.set()
        thread.join()
    shared_redis().delete(gpus.KEPT)
