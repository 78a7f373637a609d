"""The selector language: one way to choose layers, everywhere that layers are chosen."""

from surgery.model.select.explanation import Part, explain
from surgery.model.select.matching import select
from surgery.model.select.reading import read_selector
from surgery.model.select.schema import Selector
from surgery.model.select.syntax import Node, selector_text, to_yaml

__all__ = ["Node", "Part", "Selector", "explain", "read_selector", "select", "selector_text", "to_yaml"]
