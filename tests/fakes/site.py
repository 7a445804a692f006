"""A web site: pages by path, and which of them were wanted."""

from __future__ import annotations

from tests.fakes.serving import Answering, Serving


class Site(Serving):
    """A server with pages by path; `asked` are the paths that were wanted."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.pages: dict[str, tuple[int, str, str]] = {}
        self.asked: list[str] = []

    def page(self, path: str, text: str, kind: str = "text/html", status: int = 200) -> None:
        """Have one there from now on; with 302, `text` is where it leads."""
        self.pages[path] = (status, kind, text)


class _Handler(Answering):
    fake: Site

    def take(self) -> None:
        self.fake.asked.append(self.path)
        status, kind, text = self.fake.pages.get(self.path, (404, "text/html", "Nothing here"))
        self.send(status, text.encode(), {"Location": text} if status == 302 else {"Content-Type": kind})
