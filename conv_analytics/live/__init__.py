"""The receiver of live events."""
