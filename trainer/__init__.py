"""Trains the networks that streamer uses."""
