"""Handing on without a task for each: what goes at once, what is queued, and a reader that falls behind."""

import asyncio

import pytest

from guildhall.realtime.eager import begun
from guildhall.realtime.hub import QUEUE, Announcement, Overrun, Sign, Subscription, Told

pytestmark = pytest.mark.unit


def announced(position: int) -> Announcement:
    return Announcement.of(position, "planning.story.created", "story:A-1")


def test_a_coroutine_runs_at_once_until_it_waits_and_then_goes_on() -> None:
    async def scene() -> list[str]:
        said: list[str] = []
        gate = asyncio.Event()

        async def speak(word: str) -> None:
            await gate.wait()
            said.append(word)

        waiting = begun(speak("late"))
        assert waiting is not None
        assert said == []
        gate.set()
        assert begun(speak("early")) is None, "nothing to wait for, so no task"
        await waiting
        return said

    assert asyncio.run(scene()) == ["early", "late"]


def test_what_a_coroutine_raises_is_raised_here_or_in_its_task() -> None:
    async def fail(gate: asyncio.Event) -> None:
        await gate.wait()
        raise OSError("gone")

    async def scene() -> None:
        gate = asyncio.Event()
        waiting = begun(fail(gate))
        gate.set()
        with pytest.raises(OSError, match="gone"):
            begun(fail(gate))
        assert waiting is not None
        with pytest.raises(OSError, match="gone"):
            await waiting

    asyncio.run(scene())


def test_a_waiting_reader_is_told_at_once_and_order_is_kept() -> None:
    async def scene() -> None:
        at_once: list[int] = []
        queued: list[Told] = []

        def tell(announcement: Announcement) -> bool:
            at_once.append(announcement.position)
            return announcement.position != 3

        subscription = Subscription(tell)
        subscription.put(announced(1))
        reader = asyncio.create_task(_read(subscription, queued, 4))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for told in (announced(2), announced(3), announced(4), Sign.CATCH_UP):
            subscription.put(told)
        await reader
        assert at_once == [2, 3], "1 came before the reader, 4 stands behind 3, which was left to the queue"
        assert queued == [announced(1), announced(3), announced(4), Sign.CATCH_UP]

    asyncio.run(scene())


async def _read(subscription: Subscription, into: list[Told], count: int) -> None:
    while len(into) < count:
        into.append(await subscription.get())


def test_a_reader_that_falls_behind_is_told_so_instead_of_growing() -> None:
    async def scene() -> None:
        subscription = Subscription()
        for position in range(QUEUE + 1):
            subscription.put(announced(position))
        with pytest.raises(Overrun):
            await subscription.get()

    asyncio.run(scene())
