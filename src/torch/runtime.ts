// The process-wide settings of libtorch: threads, devices, versions.

import { readFileSync, realpathSync } from "node:fs";
import { availableParallelism } from "node:os";
import { UserError } from "../system/errors.js";
import { libtorch } from "./libtorch.js";

/** More than any machine has; an OpenMP library that is asked for a million hangs. */
export const mostThreads = 1024;

/**
 * Sets the number of threads an operator may use. Default: `OMP_NUM_THREADS` if it is set, as libtorch itself reads it,
 * else all cores.
 * @throws UserError when that is no number of threads
 */
export function setThreads(
  count: number = Number(process.env.OMP_NUM_THREADS) || Math.min(availableParallelism(), mostThreads),
): void {
  if (!Number.isInteger(count) || count < 1 || count > mostThreads)
    throw new UserError(`${count} threads are not possible: give a whole number from 1 to ${mostThreads}`);
  libtorch().setThreads(count);
}

export function threads(): number {
  return libtorch().threads();
}

/** @throws UserError when libtorch cannot use the device on this machine */
export function checkDevice(device: string): void {
  if (device.startsWith("cuda") && !libtorch().hasCuda()) {
    throw new UserError(
      `--device ${device}: libtorch ${libtorch().version()} finds no CUDA device here. Use --device cpu, or install a CUDA build of torch for python3 and run \`npm run setup\`.`,
    );
  }
}

/** libtorch's version, for example "1.13.0". */
export function torchVersion(): string {
  return libtorch().version();
}

/**
 * Says so when libtorch multiplies matrices with the reference BLAS, a hundred times slower than OpenBLAS: what
 * Debian's libtorch falls back to. Only Linux tells which library is loaded; elsewhere libtorch brings its own.
 */
export function warnAboutSlowBlas(): void {
  if (process.platform !== "linux") return;
  const blas = /\s(\/\S*\/libblas\.so\S*)/.exec(readFileSync("/proc/self/maps", "utf8"))?.[1];
  if (blas && !/openblas|mkl|blis|atlas/.test(realpathSync(blas)))
    process.stderr.write(
      `Warning: libtorch uses the reference BLAS (${blas}) and will be very slow. Run: apt-get install libopenblas0-openmp\n`,
    );
}

/**
 * Bytes of the tensors of 256 KiB and more on the CPU: now, and at most since the last call. Zero where libtorch's own
 * allocator is in use (not on Linux).
 */
export function memoryInUse(): { bytes: number; peakBytes: number } {
  const [bytes = 0, peakBytes = 0] = libtorch().memoryInUse();
  return { bytes, peakBytes };
}

/** Keeps the calls of the named operators, forward and backward, until `stopRecording`. */
export function startRecording(operators: readonly string[]): void {
  libtorch().startRecording(operators);
}

export interface TensorLayout {
  shape: readonly number[];
  strides: readonly number[];
  /** libtorch's number for it. */
  dtype: number;
}

/** One recorded call. Tensors come as their layout, lists of numbers and flags as they are, the rest as null. */
export interface RecordedCall {
  operator: string;
  args: readonly (TensorLayout | readonly number[] | readonly boolean[] | number | boolean | null)[];
}

export function stopRecording(): RecordedCall[] {
  const calls = JSON.parse(libtorch().stopRecording()) as [string, RecordedCall["args"]][];
  return calls.map(([operator, args]) => ({ operator, args }));
}

/** What one operator took, called with tensors of these shapes. */
export interface OperatorTime {
  operator: string;
  shapes: readonly (readonly number[])[];
  count: number;
  /** Without the operators that it called itself. */
  seconds: number;
}

/** Sums up the time of every operator, forward and backward, until `stopProfile`. */
export function startProfile(): void {
  libtorch().startProfile();
}

export function stopProfile(): OperatorTime[] {
  const rows = JSON.parse(libtorch().stopProfile()) as [string, number[][], number, number][];
  return rows.map(([operator, shapes, count, seconds]) => ({ operator, shapes, count, seconds }));
}
