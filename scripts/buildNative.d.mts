import type { Compiler } from "./findCompiler.d.mts";
import type { Torch } from "./findTorch.d.mts";

export function addonFile(root: string): string;
export function compileFlags(torch: Torch, compiler: Compiler): string[];
export function linkFlags(torch: Torch, platform?: NodeJS.Platform): string[];
export function nativeKey(root: string, torch: Torch, compiler: Compiler): string;
export function buildNative(root: string, torch: Torch, compiler: Compiler): Promise<void>;
