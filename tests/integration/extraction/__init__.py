"""Extraction, on videos of every kind."""
