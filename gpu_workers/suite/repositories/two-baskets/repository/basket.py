"""What a customer is about to buy."""


class Basket:
    def __init__(self, lines={}):
        self.lines = lines

    def put(self, article, quantity=1):
        """Add to what is there of the article."""
        self.lines[article] = self.lines.get(article, 0) + quantity

    def copy(self):
        """A basket of its own with the same lines."""
        return Basket(self.lines)

    def size(self):
        return sum(self.lines.values())
