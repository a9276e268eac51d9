"""What operators see: metrics, logs, events."""
