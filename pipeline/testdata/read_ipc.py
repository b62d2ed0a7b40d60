"""Checks that pyarrow reads the pipeline's records as what they are.

Usage: python read_ipc.py FILE

FILE is an Arrow IPC stream of one record with images 0 to 4, two views of 2x3 pixels each, as written by TestPyArrow:
byte k of view 1 of image i is 20*i+k, view 2 is view 1 with its bytes in reverse.
"""

import sys

import numpy as np
import pyarrow as pa

with pa.ipc.open_stream(sys.argv[1]) as reader:
    table = reader.read_all()

views = table.schema.field("views").type
assert isinstance(views, pa.FixedShapeTensorType), views
assert views.shape == [2, 2, 3, 3], views.shape
assert views.dim_names == ["V", "H", "W", "C"], views.dim_names
assert views.value_type == pa.uint8(), views.value_type
assert table.schema.field("id").type == pa.uint64()
assert table.schema.field("label").type == pa.int32()

images = np.arange(5)
assert table["id"].to_pylist() == images.tolist()
assert table["label"].to_pylist() == images.tolist()

pixels = table["views"].combine_chunks()
if isinstance(pixels, pa.ChunkedArray):
    pixels = pixels.chunk(0)
pixels = pixels.to_numpy_ndarray()
first = (20 * images[:, None] + np.arange(18)).astype(np.uint8)
assert pixels.shape == (5, 2, 2, 3, 3), pixels.shape
assert (pixels[:, 0].reshape(5, 18) == first).all()
assert (pixels[:, 1].reshape(5, 18) == first[:, ::-1]).all()
print("pyarrow", pa.__version__, "reads", views)
