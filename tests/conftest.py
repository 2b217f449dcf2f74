"""What all tests share."""

from hypothesis import settings

settings.register_profile("project", deadline=None)  # machines are shared: time proves nothing
settings.load_profile("project")
