import unittest

from pages import page, page_count


class Pages(unittest.TestCase):
    def test_an_unfinished_page_counts(self):
        self.assertEqual([page_count(range(n), 10) for n in (0, 1, 10, 11, 25)], [1, 1, 1, 2, 3])

    def test_the_last_items_are_shown(self):
        self.assertEqual(list(page(range(25), 3, 10)), [20, 21, 22, 23, 24])

    def test_there_is_no_page_beyond(self):
        for number in (0, 4):
            with self.assertRaises(ValueError):
                page(range(25), number, 10)
