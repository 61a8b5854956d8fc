// What the program does before it computes: quickly, and without libtorch.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";

const checkout = fileURLToPath(new URL("../..", import.meta.url));

/** The built program without an addon, and without any package but those that are linked. */
class BareProgram {
  readonly root = mkdtempSync(join(tmpdir(), "stylegan-bare-"));

  constructor() {
    cpSync(join(checkout, "dist", "src"), join(this.root, "dist", "src"), { recursive: true });
    symlinkSync(join(checkout, "dist", "web"), join(this.root, "dist", "web"));
    cpSync(join(checkout, "package.json"), join(this.root, "package.json"));
    mkdirSync(join(this.root, "src")); // as in a checkout
    mkdirSync(join(this.root, "node_modules"));
  }

  link(name: string): void {
    symlinkSync(join(checkout, "node_modules", name), join(this.root, "node_modules", name));
  }

  linkAll(): void {
    rmSync(join(this.root, "node_modules"), { recursive: true });
    symlinkSync(join(checkout, "node_modules"), join(this.root, "node_modules"));
  }

  node(...args: string[]): { code: number | null; stdout: string; stderr: string } {
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: this.root,
      encoding: "utf8",
    });
    return { code: status, stdout, stderr };
  }

  run(...args: string[]) {
    return this.node(this.#program, ...args);
  }

  start(...args: string[]) {
    return spawn(process.execPath, [this.#program, ...args], {
      cwd: this.root,
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  get #program(): string {
    return join(this.root, "dist", "src", "cli", "main.js");
  }

  dispose(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

let bare: BareProgram;
beforeAll(() => {
  bare = new BareProgram();
});
afterAll(() => bare.dispose());

const notBuilt = "The native addon is not built yet. Run `npm run setup` in the project's folder.";
const commands = [
  ...["train", "dataset", "serve", "generate", "style-mix", "interpolate", "directions"],
  ...["export", "import", "info", "metrics", "nearest", "project", "setup"],
];

describe("with commander and zod alone, and no addon", () => {
  // zod: the table of training options holds its schemas.
  beforeAll(() => {
    bare.link("commander");
    bare.link("zod");
  });

  it("says its version", () => {
    expect(bare.run("--version")).toEqual({ code: 0, stdout: "0.1.0\n", stderr: "" });
  });

  it("--help names every command", () => {
    const { code, stdout, stderr } = bare.run("--help");
    expect([code, stderr]).toEqual([0, ""]);
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^  ${command} `, "m"));
  });

  it.each(commands)("%s --help has its example", (command) => {
    const { code, stdout, stderr } = bare.run(command, "--help");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain(`stylegan ${command} `);
  });

  it.each([
    [["generate", "--network", "x", "--outdir", "y", "--sedds", "0"], "unknown option '--sedds'"],
    [["generate", "--network", "x", "--outdir", "y"], "--seeds is missing"],
    [["train", "--kimg", "-1"], '"-1" is not a number above 0'],
    [["paint"], "unknown command 'paint'"],
  ])("%j is an error of one line", (args, message) => {
    const { code, stdout, stderr } = bare.run(...args);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^stylegan: [^\n]+\n$/);
    expect(stderr).toContain(message);
  });
});

describe("with its packages, and no addon", () => {
  beforeAll(() => bare.linkAll());

  it("a command that computes says in one line that the addon is not built", () => {
    const file = join(checkout, "test", "fixtures", "nvidia-stylegan2.pkl");
    const { code, stdout, stderr } = bare.run("info", file);
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: "", stderr: `stylegan: ${notBuilt}\n` });
  });

  it("the page of runs is served, in less than half of what libtorch takes", async () => {
    const child = bare.start("serve", ".", "--port", "0");
    onTestFinished(() => void child.kill("SIGKILL"));
    const [output] = (await once(child.stdout, "data")) as [Buffer];
    const address = new URL(/http\S+/.exec(String(output))?.[0] as string);
    expect((await fetch(new URL("api/runs", address))).status).toBe(200);
    const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
    // 66 MB when this was written; 243 when the server began with libtorch.
    expect(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1])).toBeLessThan(110_000);
  });

  it("the library can be imported; what computes says that the addon is not built", () => {
    const library = pathToFileURL(join(bare.root, "dist", "src", "index.js"));
    const program = `
      const { randn, createLoss, UserError } = await import("${library}");
      try { randn([2]); } catch (error) { console.log(error instanceof UserError, error.message); }`;
    const { code, stdout, stderr } = bare.node("--input-type=module", "-e", program);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `true ${notBuilt}\n`, stderr: "" });
  });
});

it("--help comes at once", () => {
  const timed = (run: () => { code: number | null }) => () => {
    const start = performance.now();
    expect(run().code).toBe(0);
    return performance.now() - start;
  };
  const [help, node] = [timed(() => bare.run("--help")), timed(() => bare.node("-e", "0"))];
  // In turn, so that what runs beside this test slows down both.
  const times = Array.from({ length: 5 }, () => [help(), node()] as const);
  const best = (which: 0 | 1) => Math.min(...times.map((pair) => pair[which]));
  // 2.7 times Node's own start when this was written; 9 to 12 times when the program began with libtorch.
  expect(best(0) / best(1)).toBeLessThan(6);
});
