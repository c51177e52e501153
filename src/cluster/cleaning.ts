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

/** Of all matrices whose coordinator has given no sign of life. */
export async function forgetOrphans(redis: Redis, names: Names): Promise<void> {
  const matrices = await redis.hgetall(names.matrices);
  for (const [matrix, coordinator] of Object.entries(matrices)) {
    if (await redis.exists(names.coordinator(coordinator))) continue;
    await forgetMatrix(redis, names, matrix);
    await redis.unlink(names.replies(coordinator));
  }
}
