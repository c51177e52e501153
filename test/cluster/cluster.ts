// The built package with a Redis server of its own, and workers in this process.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type * as ClusterModule from "../../src/cluster/index.js";
import { memorySink, writeNpy } from "../../src/formats/index.js";
import type { ByteSource } from "../../src/formats/bytes.js";
import type * as NodeModule from "../../src/node.js";
import type * as Formats from "../../src/formats/index.js";
import type { Matrix, RowSource } from "../../src/index.js";
import { startRedis, type RedisServer } from "./servers.mjs";

export type { ClusterWorker } from "../../src/cluster/index.js";

const dist = (path: string) => new URL(`../../dist/${path}`, import.meta.url).href;
export const { connectCluster, startClusterWorker, clusterStatus, locate } = (await import(
  dist("cluster/index.js")
)) as typeof ClusterModule;
const { openFile } = (await import(dist("node.js"))) as typeof NodeModule;
const formats = (await import(dist("formats/index.js"))) as typeof Formats;

/** Matrices in files, and a server; workers look into the folder. */
export class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), "loewner-cluster-"));
  redis!: RedisServer;
  private readonly files: (ByteSource & { close(): Promise<void> })[] = [];
  private readonly workers: ClusterModule.ClusterWorker[] = [];

  async start(): Promise<this> {
    this.redis = await startRedis();
    return this;
  }

  async end(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.close()));
    for (const file of this.files) await file.close();
    await this.redis.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async worker(options: Partial<ClusterModule.ClusterWorkerOptions> = {}): Promise<ClusterModule.ClusterWorker> {
    const { url } = this.redis;
    const worker = await startClusterWorker({
      redis: url,
      storage: [this.folder],
      threads: 1,
      leaseMs: 1000,
      ...options,
    });
    this.workers.push(worker);
    return worker;
  }

  connect(options: Partial<ClusterModule.ClusterOptions> = {}) {
    return connectCluster({ redis: this.redis.url, patienceMs: 200_000, ...options });
  }

  async write(name: string, { data, rows, cols }: Matrix): Promise<string> {
    const sink = memorySink();
    await writeNpy(sink, { data, shape: [rows, cols] });
    const path = join(this.folder, name);
    writeFileSync(path, sink.bytes());
    return path;
  }

  /** The matrix of a file, as rows that say where they are stored. */
  async open(path: string): Promise<RowSource> {
    const file = await openFile(path);
    this.files.push(file);
    return formats.openNpy(file);
  }

  async rows(name: string, matrix: Matrix): Promise<RowSource> {
    return this.open(await this.write(name, matrix));
  }
}
