"""Rules of the recurrent layers and their cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from surgery.model.configured import snake_case
from surgery.model.shapes.rules import Built, Site, Variable, nested_layer, rule
from surgery.model.shapes.windows import arranged, sizes, slide
from surgery.model.spec import LayerSpec, Shape, TensorSpec, leaves
from surgery.model.weights import shape_text

GATES: Mapping[str, int] = {"SimpleRNN": 1, "GRU": 3, "LSTM": 4}


@rule("SimpleRNN", "GRU", "LSTM")
def recurrent(site: Site) -> Built:
    features = _sequence(site)
    need_states(site, states_of(site))
    units = site.get("units")
    cell = tuple(variable.below("cell") for variable in _cell_variables(site, site.class_name, features))
    states = 2 if site.class_name == "LSTM" else 1
    return _unrolled(site, units, cell, [units] * states)


@rule("SimpleRNNCell", "GRUCell", "LSTMCell")
def cell_alone(site: Site) -> None:
    """A cell is called with its state, and outside an RNN only by code."""
    return


@rule("RNN")
def rnn(site: Site) -> Built | None:
    cell = site.inner("cell")
    features = _sequence(site)
    inside = [nested_layer(config) for config in cell.config.get("cells", ())]
    if not _is_known(cell) and not (cell.class_name == "StackedRNNCells" and all(map(_is_known, inside))):
        return None
    if not inside:
        need_states(site.at(cell), states_of(site))
        variables = tuple(variable.below("cell") for variable in _variables_of(site, cell, features))
        return _unrolled(site, cell.config["units"], variables, _states(cell))
    states = [size for each in inside for size in _states(each)]
    return _unrolled(site, inside[-1].config["units"], tuple(_stacked(site, inside, features)), states)


@rule("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
def conv_lstm(site: Site) -> Built:
    rank, filters = int(site.class_name[-2]), site.get("filters")
    axes = {1: "steps", 2: "rows, columns", 3: "depth, rows, columns"}[rank]
    named = f"channels, {axes}" if site.is_channels_first else f"{axes}, channels"
    site.need_rank(rank + 3, f"batch, time, {named}")
    step = Site(site.layer, (TensorSpec((site.shape[0], *site.shape[2:])),), site.call)
    channels = site.need_known(2 if site.is_channels_first else -1, "channels")
    spatial = step.shape[2:] if site.is_channels_first else step.shape[1:-1]
    if None in spatial:
        raise site.refused(f"{site.class_name} needs to know the size of the image, and gets {site.shown}")
    window = sizes(site.get("kernel_size"), rank)
    strides, dilation = sizes(site.get("strides", 1), rank), sizes(site.get("dilation_rate", 1), rank)
    state = arranged(step, slide(step, spatial, window, strides, dilation), filters)[1:]
    kernels = [
        site.variable(0, "kernel", (*window, channels, filters * 4)),
        site.variable(1, "recurrent_kernel", (*window, filters, filters * 4), "recurrent_initializer"),
    ]
    bias = [site.variable(2, "bias", (filters * 4,))] if site.layer.config.get("use_bias", True) else []
    batch, time = site.shape[:2]
    outputs = [(batch, time, *state) if site.get("return_sequences") else (batch, *state)]
    outputs += [(batch, *state)] * 2 if site.get("return_state") else []
    return Built(tuple(map(site.tensor, outputs)), tuple(variable.below("cell") for variable in (*kernels, *bias)))


def states_of(site: Site) -> list[TensorSpec]:
    """The tensors that the layer begins with, flat; none where the call names none."""
    if len(site.inputs) != len(site.call.refs()):
        return []
    tensors = iter(site.inputs)
    parts = [*enumerate(site.call.args), *sorted(site.call.kwargs.items())]
    given = {name: [next(tensors) for _ in leaves(value)] for name, value in parts}
    return given.get("initial_state") or given.get(1) or []


def need_states(site: Site, states: Sequence[TensorSpec]) -> None:
    """Refuses states of another size, with which Keras loads a model and cannot call it. Keras 3.15."""
    units, needed = site.get("units"), 2 if site.class_name.startswith("LSTM") else 1
    fits = [len(tensor.shape) == 2 and tensor.shape[1] in (None, units) for tensor in states[:needed]]
    if states and (len(fits) < needed or not all(fits)):
        noun = "a state" if needed == 1 else f"{needed} states"
        shown = " and ".join(shape_text(tensor.shape) for tensor in states)
        raise site.refused(f"{site.class_name} begins with {noun} of (batch, {units}), and gets {shown}")


def _sequence(site: Site) -> int:
    """The number of features of a sequence; refuses what is none."""
    site.need_rank(3, "batch, steps, features")
    if site.get("stateful") and site.shape[0] is None:
        raise site.refused(f"a stateful {site.class_name} needs a fixed batch size, and gets {site.shown}")
    return site.need_known(-1, "features")


def _unrolled(site: Site, units: int, variables: tuple[Variable, ...], states: list[int]) -> Built:
    batch, steps, _ = site.shape
    outputs: list[Shape] = [(batch, steps, units) if site.get("return_sequences") else (batch, units)]
    outputs += [(batch, size) for size in states] if site.get("return_state") else []
    return Built(tuple(map(site.tensor, outputs)), variables)


def _cell_variables(site: Site, kind: str, features: int) -> list[Variable]:
    """The variables of a cell whose config the site's layer has."""
    units, gates = site.get("units"), GATES[kind]
    width = units * gates
    variables = [
        site.variable(0, "kernel", (features, width)),
        site.variable(1, "recurrent_kernel", (units, width), "recurrent_initializer"),
    ]
    if site.layer.config.get("use_bias", True):
        is_double = kind == "GRU" and site.layer.config.get("reset_after", True)
        variables.append(site.variable(2, "bias", (2, width) if is_double else (width,)))
    return variables


def _is_known(cell: LayerSpec) -> bool:
    return cell.class_name.removesuffix("Cell") in GATES and cell.module == "keras.layers"


def _states(cell: LayerSpec) -> list[int]:
    return [cell.config["units"]] * (2 if cell.class_name == "LSTMCell" else 1)


def _variables_of(site: Site, cell: LayerSpec, features: int) -> list[Variable]:
    return _cell_variables(site.at(cell), cell.class_name.removesuffix("Cell"), features)


def _stacked(site: Site, cells: list[LayerSpec], features: int) -> list[Variable]:
    """The variables of stacked cells, each stored under its class and a counter."""
    seen: Counter[str] = Counter()
    variables: list[Variable] = []
    for cell in cells:
        name = snake_case(cell.class_name)
        key = f"{name}_{seen[name]}" if seen[name] else name
        seen[name] += 1
        variables += [variable.below(f"cell/cells/{key}") for variable in _variables_of(site, cell, features)]
        features = cell.config["units"]
    return variables
