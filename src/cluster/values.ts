// Values of any size in Redis, which takes 512 MB at a time: larger ones are a list of parts.
import type { ChainableCommander, Redis } from "ioredis";

/** Of one part. */
export const partBytes = 64 << 20;

/** What a pipeline answers, once all of it has been done. */
export async function carryOut(pipeline: ChainableCommander): Promise<unknown[]> {
  const answers = (await pipeline.exec()) ?? [];
  for (const [error] of answers) if (error) throw error;
  return answers.map(([, answer]) => answer);
}

/** Replaces what the key held; `values` is the set of the keys of a matrix, for whoever cleans up. */
export async function putValue(redis: Redis, values: string, key: string, packed: Buffer): Promise<void> {
  if (packed.length <= partBytes) return void (await carryOut(redis.pipeline().sadd(values, key).set(key, packed)));
  const pipeline = redis.multi().sadd(values, key).unlink(key);
  for (let at = 0; at < packed.length; at += partBytes) pipeline.rpush(key, packed.subarray(at, at + partBytes));
  await carryOut(pipeline);
}

/** Nothing where there is no such value. */
export async function getValue(redis: Redis, key: string): Promise<Buffer | undefined> {
  try {
    return (await redis.getBuffer(key)) ?? undefined;
  } catch (error) {
    if (!/WRONGTYPE/.test((error as Error).message)) throw error;
  }
  const parts: Buffer[] = [];
  for (const count = await redis.llen(key); parts.length < count;) {
    const part = await redis.lindexBuffer(key, parts.length);
    if (!part) return undefined;
    parts.push(part);
  }
  return parts.length ? Buffer.concat(parts) : undefined;
}
