"""Kubernetes clusters that projects name: one namespace each, tried first, and plans applied to it once people allow them."""
