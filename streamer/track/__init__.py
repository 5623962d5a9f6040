"""Boxes over time: what was seen in some frames says what to hide in the others."""
