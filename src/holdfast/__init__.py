"""Holdfast: card pre-authorization whose completions are never without a register entry."""

__version__ = "0.1.0"
