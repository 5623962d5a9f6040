"""Training of what judges accidents: labelled frames of clips → windows of looks → a temporal head."""
