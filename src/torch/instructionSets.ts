// What the addon's own loops run on, for tests and benchmarks: which instruction set.

import { libtorch } from "./libtorch.js";

/** Instruction sets that the loops are compiled for, the best one first. */
export const instructionSets = ["avx512", "avx2", "baseline"] as const;
export type InstructionSet = (typeof instructionSets)[number];

/** Those that this processor has. */
export function availableInstructionSets(): InstructionSet[] {
  return instructionSets.filter((name) => libtorch().hasKernels(name));
}

/** Goes on with the loops that are compiled for `name` and returns what was before. */
export function selectInstructionSet(name: InstructionSet): InstructionSet {
  return libtorch().selectKernels(name) as InstructionSet;
}
