"""What all tests share."""

from hypothesis import settings

settings.register_profile("project", deadline=None)  # machines are shared: time proves nothing
settings.register_profile("many", deadline=None, max_examples=300)  # by hand, before a release
settings.load_profile("project")
