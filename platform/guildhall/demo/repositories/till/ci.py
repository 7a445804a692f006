"""Runs the tests and writes ci-report.xml (JUnit)."""

import sys
import unittest
from xml.etree import ElementTree


class Report(unittest.TextTestResult):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.suite = ElementTree.Element("testsuite", name="till")

    def startTest(self, test):
        super().startTest(test)
        self.case = ElementTree.SubElement(self.suite, "testcase", classname=type(test).__qualname__, name=test.id())

    def addFailure(self, test, err):
        super().addFailure(test, err)
        ElementTree.SubElement(self.case, "failure", message=str(err[1]))

    def addError(self, test, err):
        super().addError(test, err)
        ElementTree.SubElement(self.case, "error", message=str(err[1]))


if __name__ == "__main__":
    result = unittest.TextTestRunner(resultclass=Report, verbosity=2).run(unittest.defaultTestLoader.discover("."))
    with open("ci-report.xml", "wb") as file:
        file.write(ElementTree.tostring(result.suite))
    sys.exit(0 if result.wasSuccessful() else 1)
