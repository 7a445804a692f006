"""What passwords cost tests."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


def stretch_little() -> None:
    """Hashing a password takes long on purpose. How long is Django's business, and hundreds of tests sign in."""
    PBKDF2PasswordHasher.iterations = 1000
