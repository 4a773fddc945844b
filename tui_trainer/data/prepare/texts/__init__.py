"""Texts and their labels, as tokens of a vocabulary."""
