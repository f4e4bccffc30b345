"""Signing in and one's own account: allauth's doors as far as we offer them, and ours in place of some."""
