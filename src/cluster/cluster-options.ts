// Of those who have work done.

export interface CoordinatorOptions {
  /** Address of Redis, redis://[:password@]host:port[/database]. */
  redis: string;
  /** Of all keys. Default: "loewner". */
  prefix?: string;
  /** Milliseconds without a sign of life after which workers drop what they hold for it. Default: 30000. */
  lifeMs?: number;
  /** Milliseconds that Redis may be away, and that may pass until the first worker is there. Default: 120000. */
  patienceMs?: number;
  /** Told what somebody should know who waits: what is waited for, and what the workers do not do. */
  onNotice?: (text: string) => void;
}

export interface ClusterSchedulerOptions {
  /** Bytes of rows from which on all workers share them. Default: 128 MiB. */
  shareBytes?: number;
  /** Shares of such a matrix. Default: a thread each, of no less than 4 MiB, and no more than sqrt(rows / 2400). Never changes the answer. */
  shares?: number;
  /** Bytes of results that may wait in Redis to be taken, over all shares. Default: 512 MiB. */
  waitingBytes?: number;
  /**
   * Bytes of orders that Redis keeps, for whoever takes rows over, from which on row state is saved there instead, once they are more
   * than that. 0: after every order. Default: 64 MiB.
   */
  logBytes?: number;
  /** Folder from which on files are named to the workers. Default: none, names are absolute. */
  storage?: string;
  /** Threads for what no worker can read: matrices in memory. Default: 1. */
  threads?: number | "auto";
  /** As createLoewner has it, for the same. */
  memory?: number;
}

export interface ClusterOptions extends CoordinatorOptions, ClusterSchedulerOptions {}
