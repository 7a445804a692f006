"""How the owner console writes what Django formats by itself."""
