"""The union of all operations, made from the registry: a new file in `surgery/operations` is a new word here."""

from __future__ import annotations

import operator
from functools import reduce
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from surgery.operations import Operation, registry

if TYPE_CHECKING:
    AnyOperation = Operation
else:
    AnyOperation = Annotated[reduce(operator.or_, registry().values()), Field(discriminator="op")]
"""Any operation, told by its `op`."""
