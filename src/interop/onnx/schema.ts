// The part of ONNX's file format that exported networks use, with its field numbers from onnx.proto
// (https://github.com/onnx/onnx, Apache 2.0), and its way to bytes and back.

import protobuf from "protobufjs";

const schema = `
syntax = "proto2";

message ModelProto {
  optional int64 ir_version = 1;
  optional string producer_name = 2;
  optional string producer_version = 3;
  optional string doc_string = 6;
  optional GraphProto graph = 7;
  repeated OperatorSetIdProto opset_import = 8;
  repeated StringStringEntryProto metadata_props = 14;
}
message OperatorSetIdProto {
  optional string domain = 1;
  optional int64 version = 2;
}
message StringStringEntryProto {
  optional string key = 1;
  optional string value = 2;
}
message GraphProto {
  repeated NodeProto node = 1;
  optional string name = 2;
  repeated TensorProto initializer = 5;
  repeated ValueInfoProto input = 11;
  repeated ValueInfoProto output = 12;
  repeated ValueInfoProto value_info = 13;
}
message NodeProto {
  repeated string input = 1;
  repeated string output = 2;
  optional string name = 3;
  optional string op_type = 4;
  repeated AttributeProto attribute = 5;
}
message AttributeProto {
  optional string name = 1;
  optional float f = 2;
  optional int64 i = 3;
  optional bytes s = 4;
  repeated int64 ints = 8;
  optional int32 type = 20;
}
message TensorProto {
  repeated int64 dims = 1;
  optional int32 data_type = 2;
  optional string name = 8;
  optional bytes raw_data = 9;
}
message ValueInfoProto {
  optional string name = 1;
  optional TypeProto type = 2;
  optional string doc_string = 3;
}
message TypeProto {
  optional TensorTypeProto tensor_type = 1;
}
message TensorTypeProto {
  optional int32 elem_type = 1;
  optional TensorShapeProto shape = 2;
}
message TensorShapeProto {
  repeated DimensionProto dim = 1;
}
message DimensionProto {
  optional int64 dim_value = 1;
  optional string dim_param = 2;
}
`;

/** TensorProto.DataType */
export const elementTypes = { float32: 1, int64: 7, float16: 10 } as const;
export type ElementType = keyof typeof elementTypes;

/** AttributeProto.AttributeType */
const attributeTypes = { float: 1, int: 2, string: 3, ints: 7 } as const;

/** A number, or the name of a size that the caller chooses. */
export type Dim = number | string;

export interface AttributeProto {
  name: string;
  type: number;
  f?: number;
  i?: number;
  s?: Uint8Array;
  ints?: readonly number[];
}

export interface NodeProto {
  name: string;
  opType: string;
  input: readonly string[];
  output: readonly string[];
  attribute: readonly AttributeProto[];
}

export interface TensorProto {
  name: string;
  dataType: number;
  dims: readonly number[];
  rawData: Uint8Array;
}

export interface ValueInfoProto {
  name: string;
  type: {
    tensorType: { elemType: number; shape: { dim: readonly { dimValue?: number; dimParam?: string }[] } };
  };
  docString?: string;
}

export interface ModelProto {
  irVersion: number;
  producerName: string;
  producerVersion: string;
  docString: string;
  opsetImport: readonly { domain: string; version: number }[];
  metadataProps: readonly { key: string; value: string }[];
  graph: {
    name: string;
    node: readonly NodeProto[];
    initializer: readonly TensorProto[];
    input: readonly ValueInfoProto[];
    output: readonly ValueInfoProto[];
    valueInfo: readonly ValueInfoProto[];
  };
}

const modelType = protobuf.parse(schema).root.lookupType("ModelProto");

export function encodeModel(model: ModelProto): Uint8Array {
  return modelType.encode(modelType.fromObject(model)).finish();
}

/** @throws Error when the bytes are no protocol buffer of this form */
export function decodeModel(bytes: Uint8Array): ModelProto {
  return modelType.toObject(modelType.decode(bytes), {
    longs: Number,
    arrays: true,
  }) as unknown as ModelProto;
}

/** Whole numbers as such, lists of them, or text. Fractions: `{ float }`, since 1 may be meant as either. */
export type Attribute = number | readonly number[] | string | { float: number };

export function attributeProto(name: string, value: Attribute): AttributeProto {
  if (typeof value === "number") return { name, type: attributeTypes.int, i: value };
  if (typeof value === "string")
    return { name, type: attributeTypes.string, s: new TextEncoder().encode(value) };
  if ("float" in value) return { name, type: attributeTypes.float, f: value.float };
  return { name, type: attributeTypes.ints, ints: value };
}

export function valueInfo(
  { name, type, shape }: { name: string; type: ElementType; shape: readonly Dim[] },
  docString?: string,
): ValueInfoProto {
  const dim = shape.map((size) => (typeof size === "number" ? { dimValue: size } : { dimParam: size }));
  return {
    name,
    type: { tensorType: { elemType: elementTypes[type], shape: { dim } } },
    ...(docString === undefined ? {} : { docString }),
  };
}
