"""Watching cameras: what somebody should know of. Watchers are passive and never stop a frame."""
