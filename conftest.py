"""Fixtures of the whole suite; services start earlier, by the plugin named in pyproject.toml."""

pytest_plugins = ["tests.support.tenants", "tests.support.dice", "tests.support.engine", "tests.support.told"]
