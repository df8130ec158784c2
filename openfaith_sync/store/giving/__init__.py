"""Sums of giving, and what of them does not add up."""
