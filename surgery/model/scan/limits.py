"""How much of everything a model file may have. Genuine models stay far below; see the tests for the largest of them."""

from __future__ import annotations

MIB = 1 << 20

# The process that reads the file
WALL_SECONDS = 15.0
DATA_BYTES = 160 * MIB
"""Private memory of the child. h5py and numpy alone map 52 MiB, of which a third is touched."""
LOADED_BYTES = 52 * MIB
"""What of it is there before the file is looked at. A copy of a larger process has more of that."""
ANSWER_BYTES = 24 * MIB
INDEX_BYTES = 16 * MIB
"""Where the variables of a file lie. A file with a longer list is read by whoever uses it."""

# What the verdict tells
FINDINGS_PER_RULE = 20
TEXT_CHARACTERS = 200

# Zip archives and folders
MEMBERS = 10_000
DIRECTORY_BYTES = 4 * MIB
MEMBER_RATIO = 100
RATIO_FLOOR_BYTES = MIB
COMPRESSED_WEIGHTS_BYTES = 48 * MIB
NAME_CHARACTERS = 255
FOLDER_DEPTH = 16

# JSON
JSON_BYTES = 16 * MIB
JSON_DEPTH = 200
JSON_MEMORY_BYTES = 48 * MIB
"""Estimated size of the parsed values; the deepest nested, most verbose genuine config needs about a tenth."""
INTEGER_DIGITS = 19

# Objects of a config
METRIC_THRESHOLDS = 10_000
METRIC_CLASSES = 4_096

# HDF5
HDF5_OBJECTS = 200_000
HDF5_DEPTH = 64
HDF5_ATTRIBUTES = 1_000
ATTRIBUTE_BYTES = 4 * MIB
LABEL_BYTES = 1 << 10
"""Of the text that Keras writes at a group or dataset."""
DATASET_RATIO = 100
DATASET_FLOOR_BYTES = 64 << 10
SLACK_ELEMENTS = 16 * MIB
"""Elements that a config may declare beyond the stored ones: 64 MiB of float32."""
STORED_FACTOR = 4
"""Declared elements for each stored one: quantized kernels pack two to a byte."""
