"""What is on the shelf and who has reserved it."""


class Shortage(Exception):
    """There is not enough left to reserve."""


class Shelf:
    def __init__(self, held):
        self.held = dict(held)
        self.reserved = {}

    def free(self, article):
        """How many of an article nobody has reserved."""
        taken = sum(count for name, count in self.reserved.values() if name == article)
        return self.held.get(article, 0) - taken

    def reserve(self, order, article, count):
        """Reserve for an order; an order has one reservation. Raises Shortage."""
        if count > self.held.get(article, 0):
            raise Shortage(article)
        self.reserved[order] = (article, count)

    def give_back(self, order):
        """Let a reservation go; of an order that has none, nothing."""
        article, count = self.reserved.get(order, (None, 0))
        self.held[article] = self.held.get(article, 0) + count
