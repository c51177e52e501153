/**
 * Which process a temporary file belongs to, told by its name: `.<name>.<pid>-<start>-<host>-<random>.<ending>`. A process that was
 * killed outright cannot remove its files, so a later one does; it must know that the first runs no more.
 *
 * A process id alone does not tell: ids are used again, and containers that share a folder have ids of their own. `start` is the
 * time at which the process began (Linux: ticks since boot; 0 elsewhere), `host` a digest of the machine's name and, on Linux, of
 * the namespace that the id counts in.
 */
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, readlinkSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { codeOf } from "./faults.js";

const host = hostDigest();
/** Of this process, as it stands in names. */
export const ownTag = `${process.pid}-${processOf("self")?.start ?? 0}-${host}`;

/** A name beside `target` that tells its owner, no longer than file systems allow. */
export function ownedName(target: string, ending: string): string {
  const name = [...basename(target)].slice(0, 50).join(""); // names of files are limited to 255 bytes
  return join(dirname(target), `.${name}.${ownTag}-${randomBytes(6).toString("hex")}.${ending}`);
}

/** The owner's tag in a name that ownedName gave, undefined for any other name. */
export function ownerIn(name: string, ending: string): string | undefined {
  const [, tag, found] = /^\..+\.(\d+-\d+-[0-9a-f]{8})-[0-9a-f]{12}\.([a-z]+)$/.exec(name) ?? [];
  return found === ending ? tag : undefined;
}

/**
 * True when the process that owns `path` runs no more. Of another machine's processes nothing can be known: theirs are left alone,
 * or given up `foreignMs` after the file was last written.
 */
export function isLeftBehind(path: string, tag: string, foreignMs = Infinity): boolean {
  if (tag === ownTag) return false;
  const [pid, start, where] = tag.split("-");
  if (where !== host) return ageOf(path) > foreignMs;
  if (!isRunning(Number(pid))) return true;
  const now = processOf(pid);
  // One that ended stays listed until its parent has asked how; another may have the id by now.
  return now !== undefined && (now.ended || (start !== "0" && now.start !== start));
}

/** A process that may not be asked runs. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== "ESRCH";
  }
}

/** Milliseconds since the last write; 0 when there is no such file any more. */
function ageOf(path: string): number {
  try {
    return Date.now() - statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

/** Fields 3 and 22 of /proc/<pid>/stat. The second is a program's name, which may hold anything. */
function processOf(pid: string): { ended: boolean; start: string } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { ended: fields[0] === "Z" || fields[0] === "X", start: String(Number(fields[19]) || 0) };
  } catch {
    return undefined;
  }
}

function hostDigest(): string {
  let namespace = "";
  try {
    namespace = readlinkSync("/proc/self/ns/pid");
  } catch {
    // not Linux, or not allowed
  }
  return createHash("sha256").update(`${hostname()}\0${namespace}`).digest("hex").slice(0, 8);
}
