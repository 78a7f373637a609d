"""The model files that a plan reads: the source model, and those that operations name.

Operations see other files through it, and execution reads the values of stored variables. A file is opened when somebody asks
for it, and stays open until `close`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from surgery.model.archive import WeightValues, open_weights, read_assets
from surgery.model.archive.optimizer import StoredOptimizer, read_state
from surgery.model.derive import derive
from surgery.model.prove import Ask
from surgery.model.proved import read_proved
from surgery.model.scan import checked
from surgery.model.spec import ModelSpec, WeightSpec
from surgery.model.weights import Stored, has_fresh

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Library:
    """The files by the names that the recipe gives them; the empty name is the source model.

    Args:
        source: The file of the source model.
        resolve: From a name in the recipe to a path.
        ask: Asks Keras about a layer class that no static rule knows.
        trust: The modules whose classes the files may name.
        is_made: Whether Keras wrote the source here a moment ago; every other file is scanned before it is read.
        holds_code: Whether Lambda layers of the source carry code, which nobody runs.
    """

    def __init__(
        self,
        source: Path,
        resolve: Callable[[str], Path],
        ask: Ask | None = None,
        *,
        trust: tuple[str, ...] = (),
        is_made: bool = False,
        holds_code: bool = False,
    ) -> None:
        self._source, self._resolve, self._ask = source, resolve, ask
        self._trust, self._is_made, self._holds_code = trust, is_made, holds_code
        self._scanned = ExitStack()
        self._specs: dict[str, ModelSpec] = {}
        self._values: dict[str, WeightValues] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The files, other than the source, whose models were read."""
        return tuple(self._specs)

    def path(self, name: str) -> Path:
        return self._resolve(name) if name else self._source

    def model(self, name: str) -> ModelSpec:
        """The model in another file, its variables known as those of that file.

        Raises:
            FileMissing, FileUnreadable, ModelInvalid, ModelUnsupported: when it cannot be read.
        """
        if name not in self._specs:
            self._specs[name] = _of_file(read_proved(self.path(name), self._ask, trust=self._trust), name)
        return self._specs[name]

    def values(self, weight: WeightSpec) -> NDArray[Any] | None:
        """The values that a variable will have; None where an initializer makes some of them."""
        return None if has_fresh(weight.source) else derive(weight.source, self.read, _nothing)

    def read(self, stored: Stored) -> NDArray[Any]:
        """The values of a stored variable, mapped and not read."""
        if stored.file not in self._values:
            self._values[stored.file] = open_weights(self._safe(stored.file))
        return self._values[stored.file][stored.path, stored.key]

    def compare(self) -> None:
        """Compares every file that values were read from with its checksum: before something that was made of them is kept.

        Raises:
            FileUnreadable: one of them is damaged.
        """
        for values in self._values.values():
            values.compare()

    def assets(self) -> dict[tuple[str, str], bytes]:
        """Vocabularies and other files beside the weights of the source model."""
        return read_assets(self._safe(""))

    def optimizer(self) -> tuple[StoredOptimizer, tuple[NDArray[Any], ...]]:
        """The optimizer in the file of the source model, and the values of its variables.

        Raises:
            ModelInvalid: it has none.
        """
        return read_state(self._safe(""))

    def _safe(self, name: str) -> Path:
        """The file, once its scan accepts it; when the library closes it must still be the same."""
        path = self.path(name)
        if self._is_made and not name:
            return path
        only_read = self._holds_code and not name
        return self._scanned.enter_context(checked(path, self._trust, only_read=only_read))

    def close(self) -> None:
        """Closes every file. Arrays that were handed out stay valid.

        Raises:
            FileUnreadable: the weights that were read are not those that their checksum tells.
            ModelUnsafe: a file changed while it was in use.
        """
        self.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for values in self._values.values():
            self._scanned.callback(values.close, compare=kind is None)
        self._values.clear()
        self._scanned.__exit__(kind, error, trace)


def _of_file(model: ModelSpec, name: str) -> ModelSpec:
    """The model with every variable stored in the file of that name."""
    layers = tuple(
        replace(
            layer,
            weights=tuple(
                replace(weight, source=replace(weight.source, file=name))
                if isinstance(weight.source, Stored)
                else weight
                for weight in layer.weights
            ),
            inner=_of_file(layer.inner, name) if layer.inner else None,
        )
        for layer in model.layers
    )
    return replace(model, layers=layers)


def _nothing() -> NDArray[Any]:
    raise LookupError("no initializer at hand")
