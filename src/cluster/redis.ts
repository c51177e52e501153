// The connection to Redis. Both packages are optional peers, loaded when a cluster is asked for.
import type * as Bullmq from "bullmq";
import type { Redis, RedisOptions } from "ioredis";
import { ClusterError, UnsupportedRuntimeError } from "../errors.js";

/** Oldest version that has what is used: XTRIM MINID, LMOVE (BullMQ's). */
const oldest = [6, 2];
const connectMs = 5000;

export async function loadBullmq(): Promise<typeof Bullmq> {
  return load("bullmq", () => import("bullmq"));
}

async function load<Module>(name: string, module: () => Promise<Module>): Promise<Module> {
  try {
    return await module();
  } catch (cause) {
    throw new UnsupportedRuntimeError(
      `A cluster needs the packages bullmq and ioredis, and ${name} could not be loaded. Install both: npm install bullmq ioredis`,
      { cause },
    );
  }
}

/** Without user, password and query. */
export function plainAddress(url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url);
    return `${protocol}//${host}${pathname}`;
  } catch {
    return "the address given";
  }
}

/** What ends in an error for people: a Redis whose memory is full refuses every write. Anything else stays as it is. */
export function explained(error: unknown, url: string): unknown {
  const message = error instanceof Error ? error.message : "";
  if (!/\bOOM command not allowed/.test(message)) return error;
  return new ClusterError(
    `Redis at ${plainAddress(url)} is out of memory: it has reached its maxmemory, and refuses writes. Raise maxmemory, or remove what fills it; then give the command again, with --resume.`,
    { cause: new Error(message) },
  );
}

/**
 * A connection that waits for Redis to come back whenever it is lost, once it was there.
 * @throws {ClusterError} when there is no Redis at the address, it refuses, is too old, or would throw keys away
 */
export async function connect(url: string): Promise<Redis> {
  if (!/^rediss?:\/\//.test(url) || !URL.canParse(url))
    throw new ClusterError(
      `${plainAddress(url)} is no Redis address; write it as redis://host:6379 (or rediss:// for TLS).`,
    );
  const { Redis } = await load("ioredis", () => import("ioredis"));
  let isThere = false;
  let failure: Error | undefined;
  const options: RedisOptions = {
    lazyConnect: true,
    maxRetriesPerRequest: null,
    connectTimeout: connectMs,
    retryStrategy: (attempt) => (isThere ? Math.min(2000, 50 * attempt) : null),
  };
  const redis = new Redis(url, options);
  redis.on("error", (error: Error) => (failure = error));
  const at = plainAddress(url);
  try {
    await redis.connect();
    isThere = true;
    check(at, await redis.info());
  } catch (error) {
    redis.disconnect();
    if (error instanceof ClusterError) throw error;
    const cause = failure ?? (error as Error);
    throw new ClusterError(
      `Redis at ${at} did not let us in: ${cause.message || String((cause as NodeJS.ErrnoException).code)}. Is it running, is it reachable from here, and is the password right?`,
      { cause: new Error(cause.message) }, // its own holds the command, with the password
    );
  }
  return redis;
}

function check(at: string, info: string): void {
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1] ?? "";
  const [major, minor] = field("redis_version").split(".").map(Number);
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1]))
    throw new ClusterError(`Redis at ${at} is version ${major}.${minor}; ${oldest.join(".")} or newer is needed.`);
  const policy = field("maxmemory_policy");
  if (Number(field("maxmemory")) > 0 && policy !== "noeviction")
    throw new ClusterError(
      `Redis at ${at} throws keys away when its memory is full (maxmemory-policy ${policy}), and with them the work. Set maxmemory-policy noeviction.`,
    );
}
