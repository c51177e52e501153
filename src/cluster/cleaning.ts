// What is left in Redis of matrices that are done with, or whose coordinator is gone.
import type { Redis } from "ioredis";
import type { Names } from "./names.js";

/** All keys of a matrix. */
export async function forgetMatrix(redis: Redis, names: Names, matrix: string): Promise<void> {
  const own = names.matrix(matrix);
  const values = await redis.smembers(own.values);
  await redis
    .pipeline()
    .unlink(...own.own, ...values)
    .hdel(names.matrices, matrix)
    .exec();
}

/**
 * Of all matrices whose coordinator has given no sign of life for `graceMs`; `absent` says since when, by matrix, from one call to the
 * next.
 */
export async function forgetOrphans(
  redis: Redis,
  names: Names,
  absent: Map<string, number>,
  graceMs: number,
): Promise<void> {
  const matrices = await redis.hgetall(names.matrices);
  for (const [matrix, coordinator] of Object.entries(matrices)) {
    const isThere = await redis.exists(names.coordinator(coordinator));
    const since = absent.get(matrix) ?? performance.now();
    if (isThere) absent.delete(matrix);
    else absent.set(matrix, since);
    if (isThere || performance.now() - since < graceMs) continue;
    absent.delete(matrix);
    await forgetMatrix(redis, names, matrix);
    await redis.unlink(names.replies(coordinator));
  }
}
