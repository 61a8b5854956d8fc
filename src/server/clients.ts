// Who asks, and how much of the machine strangers may have: the token's holder is never kept waiting by them.

import type { IncomingMessage } from "node:http";
import { HttpError } from "./http.js";
import { isHolder } from "./security.js";

export interface Client {
  isHolder: boolean;
  /** The same for requests that share a budget: those of one address. */
  name: string;
}

export function clientOf(request: IncomingMessage, token: string): Client {
  if (isHolder(request, token)) return { isHolder: true, name: "holder" };
  return { isHolder: false, name: request.socket.remoteAddress ?? "gone" };
}

/** Milliseconds of computing that can be spent at once, and how many come back in one millisecond. */
interface Allowance {
  atOnce: number;
  back: number;
}

const each: Allowance = { atOnce: 30_000, back: 0.2 };
const together: Allowance = { atOnce: 60_000, back: 0.4 };
/** Accounts of addresses that have come again and again; the rest have what everybody begins with. */
const mostAccounts = 1000;

class Account {
  readonly #allowance: Allowance;
  #left: number;
  #at: number;

  constructor(allowance: Allowance, now: number) {
    this.#allowance = allowance;
    this.#left = allowance.atOnce;
    this.#at = now;
  }

  left(now: number): number {
    const { atOnce, back } = this.#allowance;
    this.#left = Math.min(this.#left + (now - this.#at) * back, atOnce);
    this.#at = now;
    return this.#left;
  }

  spend(ms: number, now: number): void {
    this.#left = this.left(now) - ms;
  }

  /** Until something is left. */
  waitMs(now: number): number {
    return Math.max(-this.left(now) / this.#allowance.back, 0);
  }
}

/** What strangers have computed. Whoever has spent what he has waits until it has come back. */
export class Budgets {
  readonly #all: Account;
  readonly #accounts = new Map<string, Account>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#all = new Account(together, now());
  }

  /** @throws HttpError 429 when nothing is left */
  check(client: Client): void {
    if (client.isHolder) return;
    const now = this.#now();
    const account = this.#accounts.get(client.name);
    const waitMs = Math.max(this.#all.waitMs(now), account?.waitMs(now) ?? 0);
    if (waitMs === 0) return;
    throw new HttpError(
      429,
      "without the token there is only so much computing; wait, or open the address that the server has printed",
      { "retry-after": String(Math.ceil(waitMs / 1000)) },
    );
  }

  spend(client: Client, ms: number): void {
    if (client.isHolder) return;
    const now = this.#now();
    const account = this.#accounts.get(client.name) ?? new Account(each, now);
    // The latest at the end.
    this.#accounts.delete(client.name);
    this.#accounts.set(client.name, account);
    const [oldest] = this.#accounts.keys();
    if (this.#accounts.size > mostAccounts && oldest !== undefined) this.#accounts.delete(oldest);
    account.spend(ms, now);
    this.#all.spend(ms, now);
  }
}
