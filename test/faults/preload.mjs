// Loaded before a program (node --import) to disturb it from within, at exact moments that no timer hits:
//
//   FAULT_KILL_AT=n     SIGKILL just before the n-th call that changes the file system
//   FAULT_COUNT=file    how many such calls there were, written at the end
//   FAULT_GATE=file     right after the first file whose name matches FAULT_GATE_NAMED is put in place, this one is made,
//                       and nothing goes on until it is removed
//   FAULT_NO_LINKS=1    a file system without hard links
//   FAULT_EIO_AT=n      the n-th read of an open file fails, as of a disk that breaks
//   FAULT_CUT_AT=n      FAULT_CUT=path is cut to FAULT_CUT_TO=bytes just before the n-th read
import fs from "node:fs";
import { open } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { isMainThread } from "node:worker_threads";

const { FAULT_KILL_AT, FAULT_COUNT, FAULT_EIO_AT, FAULT_CUT_AT, FAULT_CUT, FAULT_CUT_TO, FAULT_NO_LINKS } = process.env;
const { FAULT_GATE, FAULT_GATE_NAMED } = process.env;
const changes = [
  "linkSync",
  "renameSync",
  "unlinkSync",
  "mkdirSync",
  "rmdirSync",
  "writeSync",
  "writeFileSync",
  "fsyncSync",
  "utimesSync",
];
const writeFileSync = fs.writeFileSync;

if (isMainThread) {
  let calls = 0;
  const next = () => {
    if (++calls === Number(FAULT_KILL_AT)) process.kill(process.pid, "SIGKILL");
  };
  let awaited = FAULT_GATE ? new RegExp(FAULT_GATE_NAMED) : undefined;
  const placed = (path) => {
    if (!awaited?.test(path)) return;
    awaited = undefined;
    writeFileSync(FAULT_GATE, "");
    const nobody = new Int32Array(new SharedArrayBuffer(4));
    while (fs.existsSync(FAULT_GATE)) Atomics.wait(nobody, 0, 0, 5);
  };
  if (FAULT_NO_LINKS) {
    fs.linkSync = () => {
      throw Object.assign(new Error("EPERM: operation not permitted, link"), { code: "EPERM" });
    };
  }
  for (const name of changes) {
    const real = fs[name];
    fs[name] = (...args) => {
      next();
      const answer = real(...args);
      if (name === "linkSync" || name === "renameSync") placed(String(args[1]));
      return answer;
    };
  }
  const openSync = fs.openSync;
  fs.openSync = (path, flags, ...more) => {
    if (/[wa+]/.test(String(flags))) next();
    return openSync(path, flags, ...more);
  };
  const probe = await open(process.argv[1]);
  const handle = Object.getPrototypeOf(probe);
  await probe.close();
  for (const name of ["write", "sync", "chmod"]) {
    const real = handle[name];
    handle[name] = function (...args) {
      next();
      return real.apply(this, args);
    };
  }
  const read = handle.read;
  let reads = 0;
  handle.read = function (...args) {
    ++reads;
    if (reads === Number(FAULT_CUT_AT)) fs.truncateSync(FAULT_CUT, Number(FAULT_CUT_TO));
    if (!FAULT_EIO_AT || reads < Number(FAULT_EIO_AT)) return read.apply(this, args);
    return Promise.reject(Object.assign(new Error("EIO: i/o error, read"), { code: "EIO" }));
  };
  syncBuiltinESMExports();
  if (FAULT_COUNT) process.on("exit", () => writeFileSync(FAULT_COUNT, String(calls)));
}
