"""Channels through a graph: who makes them, who reads them, and what else must change when they do."""

from surgery.model.channels.changing import changed_channels
from surgery.model.channels.flow import Flow, trace

__all__ = ["Flow", "changed_channels", "trace"]
