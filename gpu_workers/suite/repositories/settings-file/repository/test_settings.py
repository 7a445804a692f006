import unittest

from settings import BadSettings, read


class Settings(unittest.TestCase):
    def test_values_are_whole(self):
        self.assertEqual(read("url = http://x/?a=b\nempty =\n"), {"url": "http://x/?a=b", "empty": ""})

    def test_comments_are_no_values(self):
        self.assertEqual(read("# first\n  # second\nport = 80 # usual\n"), {"port": "80"})

    def test_what_is_quoted_is_kept(self):
        self.assertEqual(read('colour = "#aa0000" # red\n'), {"colour": "#aa0000"})

    def test_an_error_names_its_line(self):
        with self.assertRaisesRegex(BadSettings, "line 2"):
            read("a = 1\nnonsense\n")
