"""The ledger: a line for every variable of the result, and one for every variable of the source that is gone."""

from __future__ import annotations

from collections.abc import Iterator

from surgery.model.spec import LayerSpec, ModelSpec, WeightSpec
from surgery.model.weights import WeightSource, has_fresh, stored_in
from surgery.planning.plan import LedgerLine
from surgery.planning.seeds import layer_seed


def ledger(source: ModelSpec, result: ModelSpec, seed: int) -> tuple[LedgerLine, ...]:
    """The whole ledger, the result's variables in the order of its layers, then what is dropped."""
    lines = [
        _line(path, index, weight, _text(weight.source, path, seed) + _remark(weight))
        for path, _, index, weight in variables(result)
    ]
    used = {
        (stored.path, stored.key)
        for _, _, _, weight in variables(result)
        for stored in stored_in(weight.source)
        if not stored.file
    }
    gone = [
        _line(path, index, weight, "dropped")
        for path, _, index, weight in variables(source)
        if (path, weight.key) not in used
    ]
    return (*lines, *gone)


def variables(model: ModelSpec) -> Iterator[tuple[str, LayerSpec, int, WeightSpec]]:
    """Every variable of a model: layer path, layer, its index among the layer's variables, and the variable."""
    for path, layer in model.walk():
        for index, weight in enumerate(layer.weights):
            yield path, layer, index, weight


def _remark(weight: WeightSpec) -> str:
    return "" if weight.is_stored else "; no file holds it, Keras adds it to the kernel when it saves"


def _text(source: WeightSource, path: str, seed: int) -> str:
    text = source.describe(path)
    for meaning in dict.fromkeys(stored.meaning for stored in stored_in(source)):
        text += f", {meaning}" if meaning not in text else ""
    return f"{text}, seed {layer_seed(seed, path)}" if has_fresh(source) else text


def _line(path: str, index: int, weight: WeightSpec, source: str) -> LedgerLine:
    return LedgerLine(path, weight.name, index, weight.key, weight.shape, source)
