// The Fréchet distance between two normal distributions, which is FID where the features are Inception's.
// Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium" (2017), equation 6;
// Dowson and Landau, "The Fréchet Distance between Multivariate Normal Distributions" (1982).

import { noGrad } from "../torch/autograd.js";
import { matmul, symmetricEigen } from "../torch/ops.js";
import type { Tensor } from "../torch/tensor.js";
import type { Gaussian } from "./moments.js";

/** |μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½) */
export function frechetDistance(a: Gaussian, b: Gaussian): number {
  return noGrad(() => {
    const means = a.mean.sub(b.mean).square().sum().item();
    const traces = trace(a.covariance) + trace(b.covariance);
    // Σ₁ Σ₂ has the eigenvalues of the symmetric Σ₁^½ Σ₂ Σ₁^½, which are found stably where there are fewer pictures than
    // features and both matrices are singular.
    const root = squareRoot(a.covariance);
    const { values } = symmetricEigen(symmetrized(matmul(matmul(root, b.covariance), root)));
    return means + traces - 2 * values.clamp(0, null).sqrt().sum().item();
  });
}

/** The symmetric square root of a positive semidefinite matrix. */
function squareRoot(matrix: Tensor): Tensor {
  const { values, vectors } = symmetricEigen(symmetrized(matrix));
  return matmul(vectors.mul(values.clamp(0, null).sqrt()), vectors.permute([1, 0]));
}

/** Rounding leaves the two halves a little different. */
function symmetrized(matrix: Tensor): Tensor {
  return matrix.add(matrix.permute([1, 0])).mul(0.5);
}

function trace(matrix: Tensor): number {
  const size = matrix.size(0);
  return matrix
    .asStrided([size], [size + 1])
    .sum()
    .item();
}
