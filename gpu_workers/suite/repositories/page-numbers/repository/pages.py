"""Pages of a listing; the first page is page 1."""


def page_count(items, size):
    """How many pages a listing has; an empty one has one, empty, page."""
    return max(1, len(items) // size)


def page(items, number, size):
    """The items on a page. Raises ValueError for a page that there is not."""
    if not 1 <= number <= page_count(items, size):
        raise ValueError(f"there is no page {number}")
    first = (number - 1) * size
    return items[first : first + size]
