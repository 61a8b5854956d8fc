// A place for whoever comes: a server that has as many connections as it can have would let nobody in, the token's
// holder least of all, for as long as others do nothing.

import type { Server } from "node:http";
import type { Socket } from "node:net";

interface Connection {
  /** Requests that are being answered. */
  requests: number;
  /** It has shown the token. */
  isHolder: boolean;
}

export class Connections {
  readonly #most: number;
  /** The oldest first. */
  readonly #open = new Map<Socket, Connection>();

  /** @param most connections at once; beyond that a new one takes the place of another */
  constructor(server: Server, { most }: { most: number }) {
    this.#most = most;
    server.on("connection", (socket: Socket) => {
      this.#open.set(socket, { requests: 0, isHolder: false });
      socket.once("close", () => this.#open.delete(socket));
      if (this.#open.size > this.#most) this.#makePlace(socket);
    });
    server.on("request", ({ socket }, response) => {
      const connection = this.#open.get(socket);
      if (!connection) return;
      connection.requests += 1;
      response.once("close", () => {
        connection.requests -= 1;
      });
    });
  }

  /** The connection is the token's holder's, and stays. */
  keep(socket: Socket): void {
    const connection = this.#open.get(socket);
    if (connection) connection.isHolder = true;
  }

  /** Ends the oldest that does nothing, else the oldest of a stranger. */
  #makePlace(newcomer: Socket): void {
    let victim: Socket | undefined;
    for (const [socket, { requests, isHolder }] of this.#open) {
      if (isHolder || socket === newcomer) continue;
      if (requests === 0) {
        victim = socket;
        break;
      }
      victim ??= socket;
    }
    (victim ?? newcomer).destroy();
  }
}
