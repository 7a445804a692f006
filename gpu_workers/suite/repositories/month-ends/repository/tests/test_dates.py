import unittest
from datetime import date

from contracts.dates import renewal


class Renewals(unittest.TestCase):
    def test_short_months_end_earlier(self):
        self.assertEqual(renewal(date(2027, 1, 31), 1), date(2027, 2, 28))
        self.assertEqual(renewal(date(2028, 1, 31), 1), date(2028, 2, 29))
        self.assertEqual(renewal(date(2027, 1, 31), 2), date(2027, 3, 31))

    def test_the_year_goes_on(self):
        self.assertEqual(renewal(date(2026, 11, 30), 3), date(2027, 2, 28))
        self.assertEqual(renewal(date(2026, 5, 15), 7), date(2026, 12, 15))
        self.assertEqual(renewal(date(2026, 5, 15), 8), date(2027, 1, 15))
        self.assertEqual(renewal(date(2026, 12, 1), 24), date(2028, 12, 1))
