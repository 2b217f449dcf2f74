"""What every layer stands on: errors with places, settings, data types, progress."""
