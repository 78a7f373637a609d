"""The recipe as a value."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr

from surgery.errors import Location, SurgeryError
from surgery.recipe.document import Document, Key, Mark
from surgery.recipe.evaluation import Evaluation
from surgery.recipe.operation import AnyOperation
from surgery.recipe.part import Part
from surgery.recipe.sizes import patterns
from surgery.recipe.source import ModelSource
from surgery.recipe.training import Training
from surgery.recipe.words import FileName, KerasFile, Module, ParameterName
from surgery.recipe.workspace import require_inside


class Outputs(Part):
    """What a run leaves."""

    model: KerasFile | None = None
    """The `.keras` file to write, relative to the recipe; inside its repository, and never one of the inputs."""


class Recipe(Part):
    """What must hold of a model, and how it is trained."""

    surgery: Literal[1]
    """Version of the recipe format: 1."""

    name: FileName = "recipe"
    """What the recipe is called in reports and file names. Default: the file's name."""

    description: str = ""
    """What it is for, in a sentence or two."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Every random choice derives from it. Default 0."""

    imports: tuple[Module, ...] = ()
    """The modules outside Keras that the recipe needs. It only says so: `--trust package.module` permits them."""

    parameters: dict[ParameterName, str | int | float | bool | None] = Field(default_factory=dict)
    """Values that `${name}` stands for, and `--set name=value` changes."""

    model: ModelSource
    """The model to start from."""

    operations: tuple[AnyOperation, ...] = ()
    """What must hold of the model's structure, weights and trainability; the planner decides the order."""

    training: Training | None = None
    """The data and the stages of training. Without it the model is only changed."""

    evaluation: tuple[Evaluation, ...] = ()
    """What is measured on the source model and on the result."""

    outputs: Outputs = Field(default_factory=Outputs)
    """The files that a run writes."""

    _path: Path = PrivateAttr(default=Path("recipe.yaml"))
    _document: Document | None = PrivateAttr(default=None)
    _warnings: tuple[SurgeryError, ...] = PrivateAttr(default=())
    _is_restricted: bool = PrivateAttr(default=False)

    @property
    def path(self) -> Path:
        """The file that the recipe was read from, as the user wrote it."""
        return self._path

    @property
    def text(self) -> str:
        """What stands in its file, as it was when it was read; line ends are those of Unix."""
        return "" if self._document is None else "\n".join(self._document.lines)

    @property
    def patterns(self) -> int:
        """How many of its texts may be globs or regular expressions."""
        return 0 if self._document is None else patterns(self._document)

    @property
    def folder(self) -> Path:
        """The folder that its relative paths start from."""
        return self._path.resolve().parent

    @property
    def warnings(self) -> tuple[SurgeryError, ...]:
        """What is worth saying and no error: a parameter that nothing uses."""
        return self._warnings

    @property
    def is_restricted(self) -> bool:
        """Whether a stranger wrote it, so that its paths stay inside the workspace and nothing is downloaded or imported."""
        return self._is_restricted

    def resolve(self, path: str) -> Path:
        """A path of the recipe as an absolute one.

        Raises:
            PathRefused: the recipe is restricted, and the path leads elsewhere.
        """
        return require_inside(path, self.folder) if self._is_restricted else self.folder / path

    def permitted(self, trust: Iterable[str]) -> tuple[str, ...]:
        """The modules that may be imported: granted by the user, and under the recipe's imports. Neither is enough alone."""
        granted = () if self._is_restricted else tuple(trust)
        both = {
            max(needed, given, key=len)
            for needed in self.imports
            for given in granted
            if f"{needed}.".startswith(f"{given}.") or f"{given}.".startswith(f"{needed}.")
        }
        return tuple(sorted(both))

    def location(self, *keys: Key, mark: Mark = "value") -> Location:
        """Where in the file the value at these keys stands, or its key: `("operations", 0, "layers")`."""
        if self._document is None:
            return Location(str(self._path))
        return self._document.location(*keys, mark=mark)

    def restricted(self) -> Recipe:
        """The same recipe as a stranger's."""
        recipe = self.model_copy()
        recipe._is_restricted = True
        return recipe

    def read_from(self, path: Path, document: Document, warnings: tuple[SurgeryError, ...] = ()) -> Recipe:
        """The same recipe, which knows where it was read from."""
        recipe = self.model_copy()
        recipe._path, recipe._document, recipe._warnings = path, document, warnings
        return recipe
