"""Looking at a web page as people see it: a browser in the sandbox, whose only way out is a door that judges every address."""

from gpu_workers.browsing.looking import BrowseError, Page, browse, find_browser

__all__ = ["BrowseError", "Page", "browse", "find_browser"]
