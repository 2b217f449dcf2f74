"""What every layer stands on: errors with places, settings, data types, progress.

Imports nothing of ours.
"""
