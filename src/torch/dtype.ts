// Element types, with libtorch's numbers for them.

export type DType = "uint8" | "int64" | "float16" | "bfloat16" | "float32" | "float64" | "int32" | "bool";

export type TypedArray = Uint8Array | Int32Array | BigInt64Array | Uint16Array | Float32Array | Float64Array;

interface DTypeInfo {
  /** c10::ScalarType */
  code: number;
  bytes: number;
  /** A view of raw bytes; half types come as their bit patterns. */
  make: (buffer: ArrayBuffer) => TypedArray;
}

export const dtypes: Record<DType, DTypeInfo> = {
  uint8: { code: 0, bytes: 1, make: (buffer) => new Uint8Array(buffer) },
  int32: { code: 3, bytes: 4, make: (buffer) => new Int32Array(buffer) },
  int64: { code: 4, bytes: 8, make: (buffer) => new BigInt64Array(buffer) },
  float16: { code: 5, bytes: 2, make: (buffer) => new Uint16Array(buffer) },
  float32: { code: 6, bytes: 4, make: (buffer) => new Float32Array(buffer) },
  float64: { code: 7, bytes: 8, make: (buffer) => new Float64Array(buffer) },
  bool: { code: 11, bytes: 1, make: (buffer) => new Uint8Array(buffer) },
  bfloat16: { code: 15, bytes: 2, make: (buffer) => new Uint16Array(buffer) },
};

export function dtypeOfCode(code: number): DType {
  for (const [dtype, { code: known }] of Object.entries(dtypes)) if (known === code) return dtype as DType;
  throw new Error(`libtorch's element type ${code} is not used here`);
}

export function dtypeOfArray(array: TypedArray): DType {
  if (array instanceof Uint8Array) return "uint8";
  if (array instanceof Int32Array) return "int32";
  if (array instanceof BigInt64Array) return "int64";
  if (array instanceof Float32Array) return "float32";
  if (array instanceof Float64Array) return "float64";
  throw new Error("a Uint16Array can hold float16 or bfloat16: name the dtype");
}

/** Plain numbers as elements of a type. Half types have no JavaScript array: make them with `Tensor.to`. */
export function arrayOf(values: readonly number[], dtype: DType): TypedArray {
  switch (dtype) {
    case "float32":
      return Float32Array.from(values);
    case "float64":
      return Float64Array.from(values);
    case "uint8":
    case "bool":
      return Uint8Array.from(values);
    case "int32":
      return Int32Array.from(values);
    case "int64":
      return BigInt64Array.from(values, BigInt);
    case "float16":
    case "bfloat16":
      throw new Error(`plain numbers cannot be ${dtype} directly; make them float32 and convert`);
  }
}
