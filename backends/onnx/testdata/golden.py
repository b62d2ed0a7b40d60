"""Writes tiny.hex, the model of TestEncodeModel, with the official onnx package: pip install onnx; python golden.py."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper


def node(op, inputs, outputs, **attributes):
    n = onnx.NodeProto(op_type=op, input=inputs, output=outputs)
    n.attribute.extend(helper.make_attribute(name, v) for name, v in attributes.items())
    return n


def constant(name, element, shape, raw):
    return helper.make_tensor(name, element, shape, raw, raw=True)


graph = onnx.GraphProto(
    name="step",
    node=[
        node("HardSigmoid", ["in:x"], ["HardSigmoid#1"], alpha=0.5),
        node("Transpose", ["HardSigmoid#1"], ["Transpose#2"], perm=[1, 0]),
        node(
            "ScatterElements",
            ["Transpose#2", "constant#3", "constant#4"],
            ["out:0"],
            axis=0,
            reduction="add",
        ),
        node("Identity", ["out:0"], ["out:1"]),
    ],
    initializer=[
        constant("constant#3", TensorProto.INT64, [1, 2], b"\0" * 8 + b"\xff" * 8),
        constant("constant#4", TensorProto.FLOAT, [1, 2], b"\0\0\x20\x40" * 2),
    ],
    input=[helper.make_tensor_value_info("in:x", TensorProto.FLOAT, [2, 3])],
    output=[helper.make_tensor_value_info(name, TensorProto.FLOAT, [3, 2]) for name in ("out:0", "out:1")],
)
model = onnx.ModelProto(ir_version=8, producer_name="goclr", graph=graph)
model.opset_import.append(onnx.OperatorSetIdProto(domain="", version=18))
onnx.checker.check_model(model)
Path(__file__).with_name("tiny.hex").write_text(model.SerializeToString(deterministic=True).hex("\n", -32) + "\n")
