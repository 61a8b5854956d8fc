import { describe, expect, it } from "vitest";
import { grad } from "../../src/torch/autograd.js";
import type { DType } from "../../src/torch/dtype.js";
import { cat, conv2d, linear, matmul, stack } from "../../src/torch/ops.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { tensor, tensorFromBytes } from "../../src/torch/tensor.js";

describe("tensors in and out", () => {
  const arrays = {
    uint8: new Uint8Array([0, 1, 254, 255, 7, 9]),
    int32: new Int32Array([0, 1, -1, 2147483647, -2147483648, 5]),
    int64: new BigInt64Array([0n, 1n, -1n, 2n ** 62n, -(2n ** 63n), 5n]),
    float32: new Float32Array([0, -0, 1.5, Number.POSITIVE_INFINITY, Number.NaN, 1e-40]),
    float64: new Float64Array([0, Math.PI, -1e300, Number.NEGATIVE_INFINITY, Number.NaN, 5e-324]),
  };

  it.each(Object.entries(arrays))("%s keeps every bit", (dtype, array) =>
    scope(() => {
      const x = tensor(array, [2, 3]);
      expect(x.dtype).toBe(dtype);
      expect(x.shape).toEqual([2, 3]);
      expect(x.toArray()).toEqual(array);
      expect(x.toBytes()).toEqual(new Uint8Array(array.buffer));
    }),
  );

  it("takes half types by their bit patterns", () =>
    scope(() => {
      // 1.5 is 0x3e00 in float16 and 0x3fc0 in bfloat16.
      const half = tensor(new Uint16Array([0x3e00]), [1], "float16");
      const brain = tensor(new Uint16Array([0x3fc0]), [1], "bfloat16");
      expect([half.item(), brain.item()]).toEqual([1.5, 1.5]);
      expect(half.toArray()).toEqual(new Uint16Array([0x3e00]));
      expect(brain.toFloat32Array()).toEqual(new Float32Array([1.5]));
      expect(() => tensor(new Uint16Array([1]))).toThrow(/name the dtype/);
    }));

  it("copies: neither side sees later changes of the other", () =>
    scope(() => {
      const source = new Float32Array([1, 2]);
      const x = tensor(source);
      source[0] = 9;
      expect(x.toArray()).toEqual(new Float32Array([1, 2]));
      x.toArray()[1] = 9;
      expect(x.toArray()).toEqual(new Float32Array([1, 2]));
    }));

  it("reads only the part of a buffer that a view shows", () =>
    scope(() => {
      const whole = new Float32Array([1, 2, 3, 4, 5]);
      expect(tensor(whole.subarray(1, 3)).toArray()).toEqual(new Float32Array([2, 3]));
      const bytes = new Uint8Array(whole.buffer, 8, 8);
      expect(tensorFromBytes(bytes, [2], "float32").toArray()).toEqual(new Float32Array([3, 4]));
    }));

  it("writes views and permutations in row-major order", () =>
    scope(() => {
      const x = tensor([0, 1, 2, 3, 4, 5], [2, 3]);
      expect([...x.permute([1, 0]).toFloat32Array()]).toEqual([0, 3, 1, 4, 2, 5]);
      expect([...x.narrow(1, 1, 2).toFloat32Array()]).toEqual([1, 2, 4, 5]);
    }));

  it("takes empty tensors and scalars", () =>
    scope(() => {
      expect(tensor([], [0, 3]).toArray()).toEqual(new Float32Array(0));
      expect(tensor([7], []).item()).toBe(7);
    }));

  it("refuses values that do not fill the shape", () => {
    expect(() => tensor([1, 2, 3], [2, 2])).toThrow(/Float\[2, 2\] holds 16 bytes, but 12 were given/);
    expect(() => tensorFromBytes(new Uint8Array(7), [2], "float32")).toThrow(/8 bytes, but 7/);
  });

  it.each(["int32", "int64", "uint8", "bool"] as DType[])("plain numbers as %s keep their values", (dtype) =>
    scope(() => {
      expect([...tensor([1, 0, 1], [3], dtype).toFloat32Array()]).toEqual([1, 0, 1]);
    }),
  );
});

describe("errors", () => {
  it("a second dispose says what was disposed", () => {
    const x = tensor([1, 2], [1, 2]);
    x.dispose();
    expect(() => x.dispose()).toThrow("dispose: tensor float32[1, 2] has already been disposed");
  });

  it("a use after dispose names the operator and the shapes", () => {
    const before = liveTensors();
    const x = tensor([1, 2]);
    const y = tensor([3, 4, 5], [3, 1]);
    x.dispose();
    expect(() => x.add(y)).toThrow(/aten::add.*float32\[2\] has already been disposed.*float32\[3, 1\]/);
    expect(() => y.mul(x)).toThrow(/aten::mul.*float32\[2\] has already been disposed/);
    expect(() => cat([y, x], 0)).toThrow(/aten::cat.*float32\[2\] has already been disposed/);
    expect(() => grad([x], [y])).toThrow(/float32\[2\] has already been disposed/);
    expect(() => y.copy_(x)).toThrow(/aten::copy_.*float32\[2\] has already been disposed/);
    expect(String(x)).toBe("a disposed tensor");
    y.dispose();
    expect(liveTensors()).toBe(before);
  });

  it.each([
    ["item", (x: ReturnType<typeof tensor>) => x.item()],
    ["toArray", (x: ReturnType<typeof tensor>) => x.toArray()],
    ["shape", (x: ReturnType<typeof tensor>) => x.detach().shape],
  ])("%s after dispose says which tensor", (_, use) => {
    const x = tensor([1, 2]);
    x.dispose();
    expect(() => use(x)).toThrow(/float32\[2\] has already been disposed/);
  });

  it("a use after the end of the scope says so", () => {
    let late: ReturnType<typeof tensor> | undefined;
    scope(() => {
      late = tensor([1]);
    });
    expect(() => late?.neg()).toThrow(/aten::neg.*freed at the end of the scope/);
  });

  it.each([
    ["add", "add", () => tensor([1, 2]).add(tensor([1, 2, 3])), ["[2]", "[3]"]],
    [
      "matmul",
      "matmul",
      () => matmul(tensor([1, 2], [1, 2]), tensor([1, 2, 3], [3, 1])),
      ["[1, 2]", "[3, 1]"],
    ],
    [
      "linear",
      "linear",
      () => linear(tensor([1, 2], [1, 2]), tensor([1, 2, 3], [1, 3])),
      ["[1, 2]", "[1, 3]"],
    ],
    [
      "conv2d",
      "stylegan::conv2d",
      () => conv2d(tensor([1], [1, 1, 1, 1]), tensor([1, 2], [1, 2, 1, 1])),
      ["[1, 1, 1, 1]", "[1, 2, 1, 1]"],
    ],
    ["reshape", "reshape", () => tensor([1, 2, 3]).reshape([2, 2]), ["[3]", "[2, 2]"]],
    ["cat", "cat", () => cat([tensor([1, 2], [1, 2]), tensor([1, 2, 3], [1, 3])], 0), ["2", "3"]],
    ["stack", "stack", () => stack([tensor([1, 2]), tensor([1, 2, 3])], 0), ["[2]", "[3]"]],
    ["copy_", "copy_", () => tensor([1, 2]).copy_(tensor([1, 2, 3])), ["[2]", "[3]"]],
  ] as const)("a shape mismatch in %s names the operator and the shapes", (_, name, call, shapes) => {
    const message = scope(() => {
      try {
        call();
      } catch (error) {
        return error instanceof Error ? error.message : "not an Error";
      }
      return "no error";
    });
    expect(message).toContain(name);
    for (const shape of shapes) expect(message).toContain(shape);
  });

  it("a failed operator leaves no tensor behind", () => {
    const before = liveTensors();
    const x = tensor([1, 2]);
    const y = tensor([1, 2, 3]);
    for (let i = 0; i < 10; i++) expect(() => x.add(y)).toThrow();
    x.dispose();
    y.dispose();
    expect(liveTensors()).toBe(before);
  });
});

describe("speed", () => {
  // Not on an addon that watches itself.
  it.skipIf(process.env.STYLEGAN_ADDON)("a small operator and its dispose cost less than 4 µs", () => {
    const x = tensor([1, 2, 3, 4]);
    const y = tensor([5, 6, 7, 8]);
    const round = () => {
      const calls = 200;
      const start = performance.now();
      for (let i = 0; i < calls; i++) x.mul(y).dispose();
      return ((performance.now() - start) / calls) * 1000;
    };
    // The best of many short rounds: other programs get in between few of them.
    const best = Math.min(...Array.from({ length: 500 }, round));
    x.dispose();
    y.dispose();
    expect(best).toBeLessThan(4);
  });
});
