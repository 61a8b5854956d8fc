export type SystemPackage = "libtorch-dev" | "libopenblas0-openmp" | "g++" | "chromium";
export interface Machine {
  kind: "debian" | "macos" | "other";
  name: string;
  root: boolean;
  sudo: boolean;
  pip: boolean;
  managedPython: boolean;
}
export function pipCommand(machine: Machine): string;
export function aptCommand(packages: SystemPackage[], machine: Machine): string;
export function advice(packages: SystemPackage[], machine: Machine): string;
export function installSystemPackages(packages: SystemPackage[], machine: Machine): Promise<void>;
