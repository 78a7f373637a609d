"""Where the variables of an accepted file lie: what the scan has seen of the HDF5 file, for whoever reads the model next.

`surgery.model.archive.index` takes it in. A group is `[name, datasets, groups]`, a dataset `[shape, type, offset]`.
"""

from __future__ import annotations

import json
import re
from typing import Any

from surgery.model.archive.index import KEPT
from surgery.model.hdf5 import natural
from surgery.model.scan import limits
from surgery.model.scan.hdf5_walk import ODD, Description, Entry

_NUMBERS = re.compile(r"[<>|][biuf]\d+")


def index(found: Description) -> str:
    """The groups and datasets of the model as JSON; null where something in them is out of the ordinary, or they are very many.

    Whoever reads the file then looks for himself, and says what it is.
    """
    text = json.dumps(_tree(found.entries), separators=(",", ":"))
    return text if len(text) <= limits.INDEX_BYTES else "null"


def _tree(entries: list[Entry]) -> Any:
    groups: dict[str, Any] = {"": [None, {}, {}]}
    for entry in entries:
        if entry.path.split("/", 2)[1] not in KEPT:
            continue
        above, _, name = entry.path.rpartition("/")
        if "\\" in name:
            return None
        if entry.kind == "group" and entry.label != ODD:
            groups[entry.path] = groups[above][2][name] = [entry.label, {}, {}]
        elif entry.kind == "dataset" and above and _is_plain(entry):
            groups[above][1][name] = [entry.shape, entry.stored_as, entry.offset]
        else:
            return None
    return _sorted(groups[""])


def _is_plain(entry: Entry) -> bool:
    """Numbers, or the bits of bfloat16, which HDF5 does not know."""
    is_bfloat16 = entry.stored_as == "|V2" and entry.label == "bfloat16"
    return is_bfloat16 or _NUMBERS.fullmatch(entry.stored_as) is not None


def _sorted(group: Any) -> Any:
    name, blocks, groups = group
    return [
        name,
        {key: blocks[key] for key in sorted(blocks, key=natural)},
        {key: _sorted(groups[key]) for key in sorted(groups, key=natural)},
    ]
