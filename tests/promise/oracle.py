"""What a plan promises, held against plain Keras and NumPy: nothing here knows how surgery comes to its answers.

Only what a user gets is looked at: the plan's document, the written file as Keras loads it, and the document of a diff.
"""

from __future__ import annotations

import json
import re
import traceback
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

import surgery
from surgery.errors import SurgeryError, flatten
from surgery.execution.commit import apply_to_file
from surgery.planning.document import plan_document
from tests.promise.models import numbers_for

HEAD = "surgery: 1\nname: promise\nmodel: {{path: {}}}\noperations:\n"
LISTS = ("added", "removed", "renamed", "changed", "rewired", "trainability", "weights")
"""The lists of a diff."""
INERT_LAYERS = {"Dropout", "SpatialDropout1D", "SpatialDropout2D", "Identity"}
"""Layers that do nothing outside training."""

ORIGIN = r"kept|moved from ([^,\s]+)|transplanted from other.keras(?:, ([^,]+))?|sliced from ([^:,]+)|overlap of (\S+)"
"""The words of a ledger line, and the layer that they name."""

Array = np.ndarray[Any, Any]


@dataclass
class Outcome:
    """What became of one recipe."""

    end: str
    """`applied`, or the codes of the errors with which it was refused."""
    faults: list[str] = field(default_factory=list)
    """Promises that were not kept."""
    not_measured: str | None = None
    """Why nothing was measured, where nothing was."""


def write_recipe(source: Path, entries: Sequence[Mapping[str, Any]]) -> Path:
    """The recipe of some operations on a model file, beside it."""
    path = source.with_name("recipe.yaml")
    path.write_text(HEAD.format(source.name) + "".join(f"  - {json.dumps(entry)}\n" for entry in entries))
    return path


def examine(source: Path, entries: Sequence[Mapping[str, Any]], old: Any, other: Any, numbers: Any) -> Outcome:
    """Plans and applies one recipe, and compares all that is said of it with what Keras finds.

    Args:
        source: The model's file; `other.keras` is beside it.
        entries: The operations.
        old: The model as Keras loads it.
        other: The other one.
        numbers: A batch for the model.
    """
    recipe = write_recipe(source, entries)
    try:
        plan = surgery.plan(surgery.load_recipe(recipe))
    except SurgeryError as error:
        return Outcome(" ".join(sorted({one.code() for one in flatten(error)})), list(_refusal(error)))
    except Exception:  # noqa: BLE001 - whatever it is, it is a fault
        return Outcome("crashed", [f"plan: {traceback.format_exc(limit=-3)}"])
    out = source.with_name("out.keras")
    out.unlink(missing_ok=True)
    try:
        evidence = apply_to_file(plan, out, prove=True)
    except SurgeryError as error:
        return Outcome("applied", [f"apply: {one.code()}: {one.what}" for one in flatten(error)])
    except Exception:  # noqa: BLE001
        return Outcome("applied", [f"apply: {traceback.format_exc(limit=-3)}"])
    try:
        new = keras.models.load_model(out, compile=False)
    except Exception as error:  # noqa: BLE001
        return Outcome("applied", [f"load: {type(error).__name__}: {str(error)[:300]}"])
    document = json.loads(json.dumps(plan_document(plan)))
    faults = [
        *_structure(document, new),
        *_ledger(document, old, new, other),
        *_computes(entries, old, new, numbers),
        *_runs(new),
        *(f"claim: {check}" for check in evidence.checks if not check.held),
    ]
    try:
        diff = json.loads(json.dumps(surgery.diff(source, out).to_json()))
        if source.suffix == ".keras":
            called = [arguments(path) for path in (source, out)]
            faults += [f"diff: {what}" for what in _diff(diff, old, new, *called)]
            faults += [f"diff: {what}" for what in _wiring(diff, *map(wiring, (source, out)))]
        if not any("fresh" in line["source"] for line in document["ledger"]):
            planned = json.loads(json.dumps(surgery.diff(source, recipe).to_json()))
            faults += [f"diff of the plan: {key} is another" for key in LISTS if planned[key] != diff[key]]
    except Exception:  # noqa: BLE001
        faults.append(f"diff: {traceback.format_exc(limit=-3)}")
    return Outcome("applied", faults, evidence.not_measured)


def _refusal(error: SurgeryError) -> Iterator[str]:
    """Every refusal says where, what was expected and what to do."""
    for one in flatten(error):
        missing = [name for name in ("location", "expected", "fix") if not getattr(one, name)]
        if missing:
            yield f"refused without {' and '.join(missing)}: {one.code()}: {one.what}"


def flat(model: Any, prefix: str = "") -> dict[str, Any]:
    """Every layer of a model by its path, those of nested models too."""
    found: dict[str, Any] = {}
    for layer in model.layers:
        found[prefix + layer.name] = layer
        if isinstance(layer, keras.Model):
            found |= flat(layer, f"{prefix}{layer.name}/")
    return found


def is_sequential(layer: Any) -> bool:
    """Whether Keras forgets the layer's own flag when it loads it, and keeps those of the layers inside. Keras 3.15."""
    return isinstance(layer, keras.Sequential)


def hidden(model: Any, prefix: str = "") -> dict[str, Any]:
    """The inputs of Sequential models, which are no layers of theirs."""
    found: dict[str, Any] = {}
    for layer in model._layers:
        if is_sequential(model) and isinstance(layer, keras.layers.InputLayer):
            found[prefix + layer.name] = layer
        if isinstance(layer, keras.Model):
            found |= hidden(layer, f"{prefix}{layer.name}/")
    return found


def variables_of(layer: Any) -> dict[tuple[str, int], Array]:
    """The values of a layer's own weights by Keras' name of each within the layer, counted where there are several of one."""
    found: dict[tuple[str, int], Array] = {}
    seen: Counter[str] = Counter()
    for weight in layer.weights:
        name = re.sub(r"_\d+(?=/|$)", "", weight.path.rpartition(f"{layer.name}/")[2])
        found[name, seen[name]] = np.asarray(keras.ops.convert_to_numpy(weight.value))
        seen[name] += 1
    return found


def _structure(document: Any, new: Any) -> Iterator[str]:
    """The layers, shapes, flags and sizes are what the plan says."""
    rows = dict(_rows(document["layers"]))
    layers = flat(new)
    if list(rows) != list(layers):
        yield f"structure: layers {list(layers)}, planned {list(rows)}"
        return
    for path, layer in layers.items():
        row = rows[path]
        for what, found in (
            ("class_name", type(layer).__name__),
            ("trainable", None if is_sequential(layer) else layer.trainable),
            ("parameters", layer.count_params() if layer.built else 0),
            ("output_shape", _shape(layer)),
        ):
            if found is not None and found != row[what]:
                yield f"structure: {what} of {path} is {found}, planned {row[what]}"
    if document["parameters"]["after"] != new.count_params():
        yield f"structure: {new.count_params()} parameters, planned {document['parameters']['after']}"
    trainable = sum(int(np.prod(weight.shape)) for weight in new.trainable_weights)
    if any("Keras trains what a frozen" in note for note in document["notes"]):
        return
    if document["trainable_parameters"]["after"] != trainable:
        yield f"structure: {trainable} trainable parameters, planned {document['trainable_parameters']['after']}"


def _rows(rows: Any) -> Iterator[tuple[str, Any]]:
    for row in rows:
        yield row["path"], row
        yield from _rows(row.get("layers", ()))


def _shape(layer: Any) -> Any:
    """The output shape of a layer that is called once, as JSON has it. A nested model's `output` is that of its own inputs."""
    if isinstance(layer, keras.Model):
        return None
    try:
        shapes = [list(tensor.shape) for tensor in keras.tree.flatten(layer.output)]
    except (AttributeError, ValueError):
        return None
    return shapes[0] if len(shapes) == 1 else None


def _ledger(document: Any, old: Any, new: Any, other: Any) -> Iterator[str]:
    """Every variable has one line, with Keras' name, and the values that it tells of."""
    before, after, others = flat(old), flat(new), flat(other)
    told: Counter[str] = Counter()
    seen: Counter[tuple[str, str]] = Counter()
    for line in document["ledger"]:
        path, source = line["path"], line["source"]
        if source == "dropped":
            continue
        told[path] += 1
        if path not in after:
            yield f"ledger: no layer {path}"
            continue
        name = f"{line['variable']} ({line['index']})"
        keys = [key for key in variables_of(after[path]) if key[0].rpartition("/")[2] == line["variable"]]
        if seen[path, line["variable"]] >= len(keys):
            yield f"ledger: Keras has no {name} in {path}"
            continue
        key = keys[seen[path, line["variable"]]]
        seen[path, line["variable"]] += 1
        yield from (f"ledger: {path} {name}: {what}" for what in _values(source, path, key, before, after, others))
    for path, layer in after.items():
        if not isinstance(layer, keras.Model) and told[path] != len(layer.weights):
            yield f"ledger: {told[path]} lines for {path}, which has {len(layer.weights)} variables"


def _values(source: str, path: str, key: tuple[str, int], before: Any, after: Any, others: Any) -> Iterator[str]:
    """Holds the words of one line against the numbers."""
    now = variables_of(after[path])[key]
    words = re.match(ORIGIN, source)
    if words is None or "other.keras (" in source:
        return
    is_other = source.startswith("transplanted")
    name = next((group for group in words.groups() if group), path)
    layers = others if is_other else before
    if name not in layers:
        yield f"'{source}', and there is no {name}"
        return
    values = variables_of(layers[name])
    was = values.get(key)
    if was is None:
        yield f"'{source}', and {name} has no {key[0]}"
        return
    if source.startswith(("kept", "transplanted")) or ("resampled" not in source and source.startswith("moved")):
        expected = was.astype(now.dtype) if "cast from" in source else was
        if expected.dtype != now.dtype or expected.shape != now.shape or expected.tobytes() != now.tobytes():
            yield f"'{source}', and the values are others"
    elif source.startswith("overlap"):
        corner = tuple(slice(min(sizes)) for sizes in zip(was.shape, now.shape, strict=True))
        if not np.array_equal(was[corner].astype(now.dtype), now[corner]):
            yield f"'{source}', and the corner is another"
    elif source.startswith("sliced") and "new:" not in source:
        known = set(was.astype(now.dtype).ravel().tolist())
        if not set(now.ravel().tolist()) <= known:
            yield f"'{source}', and there are numbers that were not"


def is_inert(entry: Mapping[str, Any]) -> bool:
    """Whether a model computes after an operation what it did before."""
    if entry["op"] in ("insert", "append"):
        return all(
            kind in INERT_LAYERS and "inputs" not in config for new in entry["layers"] for kind, config in new.items()
        )
    return entry["op"] in ("freeze", "unfreeze", "rename", "merge_lora", "truncate")


def _runs(new: Any) -> Iterator[str]:
    """What Keras loads it can call: on states of another size it cannot."""
    if len(new.inputs) > 1 and any(None in tensor.shape[1:] for tensor in new.inputs):
        return  # sizes that have to agree, which nothing here knows
    try:
        new(numbers_for(new), training=False)
    except Exception as error:  # noqa: BLE001
        yield f"runs: {type(error).__name__}: {str(error)[:300]}"


def _computes(entries: Sequence[Mapping[str, Any]], old: Any, new: Any, numbers: Any) -> Iterator[str]:
    """Where no operation changes what is computed, it is what it was; of a cut model, what the layer at its end gave."""
    if not all(map(is_inert, entries)) or isinstance(numbers, dict) or len(new.inputs) != len(old.inputs):
        return
    cuts = [entry["after"] for entry in entries if entry["op"] == "truncate"]
    if cuts and (len(entries) > 1 or isinstance(old, keras.Sequential)):
        return
    if cuts and len(old.get_layer(cuts[0])._inbound_nodes) > 1:
        return
    # Of a nested model `output` would be its own, and not that of its call.
    source = keras.Model(old.inputs, list(old.get_layer(cuts[0])._inbound_nodes[0].outputs)) if cuts else old
    one, two = (keras.tree.flatten(model(numbers, training=False)) for model in (source, new))
    for first, second in zip(one, two, strict=True):
        arrays = [np.asarray(keras.ops.convert_to_numpy(t)).astype("float64") for t in (first, second)]
        if not np.allclose(*arrays, rtol=1e-5, atol=1e-6, equal_nan=True):
            yield f"computes: differs by {np.abs(arrays[0] - arrays[1]).max()}"


def _diff(diff: Any, old: Any, new: Any, was_called: Any, is_called: Any) -> Iterator[str]:
    """The diff names each change, and nothing else."""
    # A Sequential has its input beside its layers; a Functional model that it became lists it.
    before, after = flat(old), flat(new)
    before |= {path: layer for path, layer in hidden(old).items() if path in after}
    added = {path for path in after if _is_below(path, diff["added"])}
    removed = {path for path in before if _is_below(path, diff["removed"])}
    back = _counterparts(diff, after, added)
    yield from (f"{path} is new and not told" for path, was in back.items() if was not in before)
    yield from (f"{path} is gone and not told" for path in before if path not in removed and path not in back.values())
    yield from (f"{path} is told as gone, and is {now}" for now, path in back.items() if path in removed)
    named = {key: {entry["path"] for entry in diff[key]} for key in ("changed", "trainability", "weights", "rewired")}
    for path, was in back.items():
        if was not in before:
            continue
        layer, now = before[was], after[path]
        for key, differs in (
            ("changed", _config(layer) != _config(now) or was_called.get(was) != is_called.get(path)),
            ("trainability", layer.trainable != now.trainable),
            ("weights", not isinstance(now, keras.Model) and _same_values(layer, now) is False),
        ):
            if key == "weights" and not isinstance(now, keras.Model) and _same_values(layer, now) is None:
                continue
            if (isinstance(now, keras.Model) and key == "changed") or (is_sequential(now) and key == "trainability"):
                continue
            if differs != (path in named[key]):
                yield f"{key} of {path}: {'not told' if differs else 'told, and the same'}"
    if diff["identical"] and (added or removed or any(named.values())):
        yield "identical, and it is not"


Wires = dict[str, tuple[tuple[str, int], ...]]
"""Of each layer, by its path, what every call of it reads: a layer and the number of its output."""


def wiring(path: Path) -> tuple[Wires, dict[str, Any]]:
    """What reads what in a file, bare operations and inputs of Sequential models included; and the model's own ends."""
    with zipfile.ZipFile(path) as archive:
        document = json.loads(archive.read("config.json"))
    found: Wires = {}
    _wires(document, "", found)
    config = document["config"]
    ends = {
        "class_name": document["class_name"],
        "inputs": _histories(config.get("input_layers")),
        "outputs": _histories(config.get("output_layers")),
    }
    return found, ends


def arguments(path: Path) -> dict[str, Any]:
    """What each layer of a file is called with besides tensors, by its path."""
    with zipfile.ZipFile(path) as archive:
        document = json.loads(archive.read("config.json"))
    found: dict[str, Any] = {}
    _arguments(document, "", found)
    return found


def _arguments(document: Any, prefix: str, found: dict[str, Any]) -> None:
    for layer in document["config"]["layers"]:
        name = layer["config"]["name"]
        calls = [node.get("kwargs", {}) for node in layer.get("inbound_nodes", ())]
        plain = [
            {key: call[key] for key in call if call[key] is not None and not _histories(call[key])} for call in calls
        ]
        found[prefix + name] = [call for call in plain if call]
        if "layers" in layer["config"]:
            _arguments(layer, f"{prefix}{name}/", found)


def _wires(document: Any, prefix: str, found: Wires) -> None:
    before = None
    for layer in document["config"]["layers"]:
        name = layer["config"]["name"]
        if document["class_name"] == "Sequential":
            found[prefix + name] = ((before, 0),) if before else ()
        else:
            found[prefix + name] = tuple(_histories(layer["inbound_nodes"]))
        before = name
        if "layers" in layer["config"]:
            _wires(layer, f"{prefix}{name}/", found)


def _histories(value: Any) -> list[tuple[str, int]]:
    match value:
        case {"class_name": "__keras_tensor__", "config": {"keras_history": history}}:
            return [(history[0], history[2])]
        case [str(name), int(), int(output)]:
            return [(name, output)]
        case dict():
            return [each for key in sorted(value) for each in _histories(value[key])]
        case list():
            return [each for item in value for each in _histories(item)]
        case _:
            return []


def _wiring(diff: Any, old: tuple[Wires, Any], new: tuple[Wires, Any]) -> Iterator[str]:
    """Every layer that reads something else is told, and no other; so are other ends of the model."""
    (before, was), (after, now) = old, new
    added = {path for path in after if _is_below(path, diff["added"])}
    back = _counterparts(diff, after, added)
    here = {source: path for path, source in back.items()}
    told = {entry["path"] for entry in diff["rewired"]}
    for path, source in back.items():
        if source not in before:
            yield f"{path} is new and not told"
            continue
        inside = source.rpartition("/")[0]
        moved = [(_beside(inside, name, here), output) for name, output in before[source]]
        differs = moved != [(_under(path, name), output) for name, output in after[path]]
        if differs != (path in told):
            yield f"rewired of {path}: {'not told' if differs else 'told, and the same'}"
    if was["class_name"] == now["class_name"] == "Functional":
        keys = {value["key"] for entry in diff["changed"] if not entry["path"] for value in entry["values"]}
        for key in ("inputs", "outputs"):
            moved = [(here.get(name), output) for name, output in was[key]]
            if (moved != [*now[key]]) != (key in keys):
                yield f"{key} of the model: {'told, and the same' if key in keys else 'not told'}"


def _beside(inside: str, name: str, here: Mapping[str, str]) -> str | None:
    return here.get(f"{inside}/{name}" if inside else name)


def _under(path: str, name: str) -> str:
    inside = path.rpartition("/")[0]
    return f"{inside}/{name}" if inside else name


def _is_below(path: str, entries: Any) -> bool:
    return any(path == entry["path"] or path.startswith(f"{entry['path']}/") for entry in entries)


def _counterparts(diff: Any, after: Any, added: set[str]) -> dict[str, str]:
    """The old path of each layer that is not new."""
    renamed = {entry["new"]: entry["old"] for entry in diff["renamed"]}

    def was(path: str) -> str:
        if path in renamed:
            return renamed[path]
        inside, _, name = path.rpartition("/")
        return f"{was(inside)}/{name}" if inside else name

    return {path: was(path) for path in after if path not in added}


def _config(layer: Any) -> Any:
    # SpatialDropout and others write the dtype of variables there, not their policy. Keras 3.15.
    policy = {} if isinstance(layer, keras.layers.InputLayer) else {"dtype": layer.dtype_policy.name}
    config = json.loads(json.dumps({**layer.get_config(), **policy}, default=str))
    return type(layer).__name__, _told({key: value for key, value in config.items() if key != "name"})


def _told(config: Any) -> Any:
    """A config without what is told elsewhere."""
    match config:
        case dict():
            is_layer = "trainable" in config
            elsewhere = ("trainable", "shared_object_id", *(("name",) if is_layer else ()))
            return {key: _told(value) for key, value in config.items() if key not in elsewhere}
        case list():
            return [_told(item) for item in config]
        case _:
            return config


def _same_values(one: Any, other: Any) -> bool | None:
    if getattr(one, "lora_enabled", False) and one.compute_dtype != one.variable_dtype:
        return None  # Keras stores the sum of kernel and adapter in the dtype of computation
    first, second = variables_of(one), variables_of(other)
    return first.keys() == second.keys() and all(
        first[key].dtype == second[key].dtype
        and first[key].shape == second[key].shape
        and first[key].tobytes() == second[key].tobytes()
        for key in first
    )
