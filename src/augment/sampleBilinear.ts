import { gather, matmul, pad2d } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import { type Tensor, tensor } from "../torch/tensor.js";
import type { Affine } from "./affine.js";

/**
 * y[n, :, i, j] = images[n, :, v, u], bilinear between pixels and zero outside, where [u, v] = maps[n] [j, i, 1] are positions
 * in pixels.
 *
 * It is linear in the images and a composition of operators that have derivatives of any order; the maps get none.
 * @param images [N, C, H, W]
 * @param size height and width of the result
 */
export function sampleBilinear(
  images: Tensor,
  maps: readonly Affine[],
  size: readonly [height: number, width: number],
): Tensor {
  return scope(() => {
    const [n, c, h, w] = images.shape as [number, number, number, number];
    const [height, width] = size;
    const positions = Float32Array.from({ length: height * width * 3 }, (_, k) => {
      const pixel = Math.floor(k / 3);
      return k % 3 === 0 ? pixel % width : k % 3 === 1 ? Math.floor(pixel / width) : 1;
    });
    const grid = tensor(positions, [height * width, 3]).toDevice(images.device);
    const rows = tensor(maps.flat(), [n, 2, 3]).toDevice(images.device);
    const sources = matmul(rows, grid.permute([1, 0])); // [N, 2, P]
    const [u, v] = sources.unbind(1) as [Tensor, Tensor];
    const [left, top] = [u.floor(), v.floor()];
    const [du, dv] = [u.sub(left), v.sub(top)];

    // A frame of zeros, where everything outside is looked up.
    const framed = pad2d(images, { left: 1, right: 1, top: 1, bottom: 1 }).reshape([n, c, -1]);
    const corner = (dx: number, dy: number): Tensor => {
      const x = left.add(dx + 1).clamp(0, w + 1);
      const y = top.add(dy + 1).clamp(0, h + 1);
      const index = y
        .mul(w + 2)
        .add(x)
        .to("int64")
        .reshape([n, 1, -1])
        .expand([-1, c, -1]);
      const share = (dx === 1 ? du : du.neg().add(1)).mul(dy === 1 ? dv : dv.neg().add(1));
      return gather(framed, 2, index).mul(share.reshape([n, 1, -1]).to(images.dtype));
    };
    const sum = corner(0, 0).add(corner(1, 0)).add(corner(0, 1)).add(corner(1, 1));
    return sum.reshape([n, c, height, width]);
  });
}
