"""What pages say, as tests read it."""

from typing import Any

from tests.support.clients import Browser


def text_of(answer: Any) -> str:
    """The page of an answer, whatever its status."""
    return str(answer.content.decode())


def words_of(answer: Any) -> str:
    """The same with single blanks between its words."""
    return " ".join(text_of(answer).split())


def shown(browser: Browser, path: str) -> str:
    """A page that is there."""
    answer = browser.get(path)
    assert answer.status_code == 200, (path, answer)
    return text_of(answer)
