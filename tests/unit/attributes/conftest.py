"""How hypothesis searches: by number of examples, never by the clock of a busy machine."""

from hypothesis import settings

settings.register_profile("framedb", deadline=None)
settings.load_profile("framedb")
