import unittest

from till.basket import total


class TotalTest(unittest.TestCase):
    def test_one_line(self):
        self.assertEqual(total([(1000, 1)]), 1200)

    def test_vat_is_rounded_half_up_on_each_line(self):
        self.assertEqual(total([(333, 1), (333, 1)]), 800)


if __name__ == "__main__":
    unittest.main()
