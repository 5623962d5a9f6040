"""Trains a detector on labels."""
