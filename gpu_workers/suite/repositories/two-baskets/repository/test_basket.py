import unittest

from basket import Basket


class Baskets(unittest.TestCase):
    def test_new_baskets_are_empty(self):
        one = Basket()
        one.put("lamp")
        self.assertEqual(Basket().size(), 0)

    def test_a_copy_stands_by_itself(self):
        one = Basket({"lamp": 1})
        other = one.copy()
        one.put("lamp")
        self.assertEqual((one.size(), other.size()), (2, 1))

    def test_what_was_given_is_not_changed(self):
        given = {"lamp": 1}
        Basket(given).put("cup", 2)
        self.assertEqual(given, {"lamp": 1})
