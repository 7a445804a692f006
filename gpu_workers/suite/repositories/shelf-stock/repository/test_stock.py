import unittest

from orders import place
from stock import Shelf, Shortage


class Stock(unittest.TestCase):
    def test_what_is_reserved_is_not_free(self):
        shelf = Shelf({"lamp": 2})
        self.assertEqual(place(shelf, "a", "lamp", 1), "reserved")
        with self.assertRaises(Shortage):
            shelf.reserve("b", "lamp", 2)
        self.assertEqual((place(shelf, "b", "lamp", 2), shelf.free("lamp")), ("sold out", 1))

    def test_giving_back_counts_once(self):
        shelf = Shelf({"lamp": 2})
        shelf.reserve("a", "lamp", 2)
        for _ in range(2):
            shelf.give_back("a")
        self.assertEqual((shelf.free("lamp"), shelf.held), (2, {"lamp": 2}))

    def test_an_order_may_change_its_mind(self):
        shelf = Shelf({"lamp": 2})
        shelf.reserve("a", "lamp", 1)
        shelf.reserve("a", "lamp", 2)
        self.assertEqual(shelf.free("lamp"), 0)
