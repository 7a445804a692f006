"""Telling those who rest for want of a model that an engine is there again.

It is when a look finds it well that found it away, or never before, and when a call is answered where calls had failed.
"""

import logging
from collections.abc import Callable, Iterable, Mapping

from gateway.engines import Load

logger = logging.getLogger(__name__)
Listener = Callable[[list[str]], None]
_listeners: list[Listener] = []


def on_return(listener: Listener) -> Listener:
    """Have `listener` told the names of deployments that are there again. Asked amid calls: it is to be quick."""
    if listener not in _listeners:
        _listeners.append(listener)
    return listener


def returned(before: Mapping[str, Load], now: Mapping[str, Load]) -> list[str]:
    """Deployments that are well now and were not known to be, in alphabetical order."""
    return sorted(name for name, load in now.items() if load.healthy and not (name in before and before[name].healthy))


def tell_returned(deployments: Iterable[str]) -> None:
    """Tell everybody who listens. Whoever cannot be told looks by itself in the end, so nothing is raised."""
    names = list(deployments)
    for listener in _listeners if names else ():
        try:
            listener(names)
        except Exception:
            logger.warning("that %s is there again was not heard", ", ".join(names), exc_info=True)
