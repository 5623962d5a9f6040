"""Zero-shot alerts: thresholds found on labelled clips, and what they are worth."""
