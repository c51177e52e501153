import type { ChildProcess } from "node:child_process";

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  readonly folder: string;
  restart(options?: { signal?: NodeJS.Signals; downMs?: number }): Promise<void>;
  stop(signal?: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
  remove(): Promise<void>;
}

export interface WorkerProcess {
  readonly child: ChildProcess;
  readonly name: string;
  readonly lines: string[];
  end(signal?: NodeJS.Signals): Promise<number | null>;
}

export function wait(ms: number): Promise<void>;
export function freePort(): Promise<number>;
export function startRedis(options?: { settings?: string[] }): Promise<RedisServer>;
export function startWorker(
  url: string,
  options: { storage: string; threads?: number; lease?: number; name: string; more?: string[] },
): Promise<WorkerProcess>;
