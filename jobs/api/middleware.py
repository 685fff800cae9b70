"""Correlation headers on every response."""
