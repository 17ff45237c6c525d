"""Channels of the systems file: each has what its adapter needs, and nothing that nobody reads."""

from __future__ import annotations

from changeover.runbook.channels import KEYS, ChannelEntry, idle_keys, missing_keys
from changeover.runbook.lint.names import unknown_hosts
from changeover.runbook.lint.view import View


def channels_are_complete(view: View) -> None:
    """A channel has what its adapter needs, on hosts that are there."""
    for name, channel in view.bundle.systems.channels.items():
        if channel.adapter not in KEYS:
            continue  # it stands in the values file, which is missing
        for word in missing_keys(channel):
            message = f"channel `{name}` needs `{word}`: its adapter is `{channel.adapter}`"
            view.report("missing-key", message, f"add `{word}:`", channel.at)
        _idle(view, name, channel)
        unknown_hosts(view, channel.on, "channels", name, "on")


def _idle(view: View, name: str, channel: ChannelEntry) -> None:
    for word in idle_keys(channel):
        message = f"channel `{name}` has `{word}`, which its adapter `{channel.adapter}` does not read"
        at = view.place(view.bundle.systems.at, "channels", name, word)
        view.report("no-effect", message, "remove it, or choose another adapter", at)
