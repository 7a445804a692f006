"""Servers that stand in for services on the internet, speaking their public protocols over real HTTP."""
