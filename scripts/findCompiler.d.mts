export interface Compiler {
  program: string;
  args: string[];
  file: string;
}
export function findCompiler(env?: NodeJS.ProcessEnv): Compiler | null;
