from stock import Shortage


def place(shelf, order, article, count):
    """`reserved`, or `sold out` with nothing changed."""
    try:
        shelf.reserve(order, article, count)
    except Shortage:
        return "sold out"
    return "reserved"
