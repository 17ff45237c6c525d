"""Prefect entrypoints: thin, and nothing in changeover imports them."""
