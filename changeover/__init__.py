"""Leave an old system for a new one in one night, and know at any moment whether you can still go back."""

__version__ = "0.1.0"
