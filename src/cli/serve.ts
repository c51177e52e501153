// The page, on this machine.
import { existsSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { FileError } from "../errors.js";
import { codeOf } from "../node/files/faults.js";
import { parsePort } from "./options.js";
import { print } from "./output.js";
import { pageServer } from "./page-server.js";

const usualPort = 8420;

export function addServe(program: Command): void {
  program
    .command("serve")
    .description("the page: compress models in a browser, on this machine; nothing leaves it")
    .option(
      "--port <n>",
      `port to listen on, 0 for any that is free (default: ${usualPort}, or else any)`,
      parsePort(0),
    )
    .addHelpText("after", "\nExample:\n  loewner serve --port 9000")
    .action(({ port }: { port?: number }) => serve(port));
}

async function serve(port: number | undefined): Promise<void> {
  const folder = fileURLToPath(new URL("../web/", import.meta.url));
  if (!existsSync(`${folder}index.html`)) {
    throw new FileError(`The page is not built: there is no ${folder}index.html. In a checkout, run "npm run build".`, {
      file: folder,
    });
  }
  const server = pageServer(folder);
  const taken = await listen(server, port);
  print([`The page is at http://127.0.0.1:${taken}/`, "Ctrl-C ends it."]);
  await new Promise<void>((resolve) => {
    const end = () => {
      server.close(() => resolve());
      server.closeAllConnections();
    };
    process.once("SIGINT", end);
    process.once("SIGTERM", end);
  });
}

/** A port that was asked for must be free; the usual one need not be. */
async function listen(server: Server, port: number | undefined): Promise<number> {
  const attempt = (at: number) =>
    new Promise<number>((resolve, reject) => {
      server.once("error", reject);
      server.listen(at, "127.0.0.1", () => {
        server.off("error", reject);
        resolve((server.address() as AddressInfo).port);
      });
    });
  try {
    return await attempt(port ?? usualPort);
  } catch (cause) {
    if (codeOf(cause) !== "EADDRINUSE" && codeOf(cause) !== "EACCES") throw cause;
    server.removeAllListeners("error");
    if (port === undefined) return attempt(0);
    throw new FileError(
      `Port ${port} cannot be used (${codeOf(cause)}); name another with --port, or 0 for any that is free.`,
      {},
      { cause: cause as Error },
    );
  }
}
