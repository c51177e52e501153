import { existsSync, readFileSync } from "node:fs";

/**
 * Bytes of this process's memory at its highest. Linux hands on what resourceUsage() tells from the program that started this one, whose
 * peak may have been higher; /proc tells its own.
 */
export function peakBytes() {
  const status = existsSync("/proc/self/status") ? readFileSync("/proc/self/status", "utf8") : "";
  const kibibytes = /^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1] ?? process.resourceUsage().maxRSS;
  return Number(kibibytes) * 1024;
}
