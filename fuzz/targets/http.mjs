// A server that lies: statuses, Content-Range, ETag and bodies that do not go together, on the way to an .npy matrix. An input is
// the list of its answers, as JSON. Pauses between attempts are not waited for.
import { isLoewnerError } from "../../build/lib/errors.js";
import { openHttp, openNpy } from "../../build/lib/formats/index.js";
import fc from "fast-check";
import { mutateJson, jsonTree, writeJson } from "../mutate/json.mjs";
import { numerals } from "../interesting.mjs";
import { Random } from "../random.mjs";
import { sampler } from "../sampler.mjs";
import { fixtureFiles, textOf, utf8 } from "./seeds.mjs";

const number = fc.oneof({ weight: 3, arbitrary: fc.nat({ max: 300 }).map(String) }, fc.constantFrom(...numerals));
const range = fc.oneof(
  { weight: 4, arbitrary: fc.constant("true") },
  fc.tuple(number, number, number).map(([start, end, total]) => `bytes ${start}-${end}/${total}`),
  number.map((total) => `bytes */${total}`),
  fc.constantFrom("", "bytes 0-0/*", "bytes", "items 0-0/188"),
);
const answer = fc.record(
  {
    status: fc.oneof(
      { weight: 8, arbitrary: fc.constant(206) },
      fc.constantFrom(200, 204, 301, 400, 404, 416, 429, 500, 503),
    ),
    range,
    etag: fc.constantFrom('"1"', '"1"', '"2"', "W/1"),
    modified: fc.constantFrom("Wed, 21 Oct 2015 07:28:00 GMT", "yesterday"),
    retry: number,
    length: number,
    /** Bytes of the body more or fewer than were asked for; null: it breaks. */
    extra: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, fc.integer({ min: -300, max: 300 }), fc.constant(null)),
  },
  { requiredKeys: ["status", "range", "extra"] },
);
const answers = fc.record({ answers: fc.array(answer, { maxLength: 12 }), file: fc.nat() });

export async function open() {
  const files = Object.values(fixtureFiles("formats", /^(f\d|vector|version).*\.npy$/));
  const sample = sampler(answers.map((value) => JSON.stringify(value)));
  const setTimer = globalThis.setTimeout;
  globalThis.setTimeout = (call, _milliseconds, ...args) => setTimer(call, 0, ...args);
  return {
    main: "answers.json",
    input(seed, index) {
      const random = new Random(seed, "http", index);
      const text = sample(seed, index);
      if (random.chance(0.7)) return { "answers.json": utf8(text) };
      const tree = jsonTree(text);
      mutateJson(random, tree, numerals);
      return { "answers.json": utf8(writeJson(tree)) };
    },
    async run(input) {
      let script;
      try {
        script = JSON.parse(textOf(input["answers.json"]));
      } catch {
        return "no script"; // numbers that are none in JSON
      }
      const bytes = (Number.isSafeInteger(script?.file) && files[script.file % files.length]) || files[0];
      const source = await openHttp("https://host/A.npy", { fetch: server(script?.answers, bytes) });
      try {
        const rows = await openNpy(source);
        await rows.read(0, rows.rows);
        return "read";
      } catch (error) {
        if (!isLoewnerError(error)) throw error;
        return `opened; ${error.code}`;
      }
    },
  };
}

/** fetch, by a script; honest when that is over. */
function server(script, bytes) {
  const left = Array.isArray(script) ? [...script] : [];
  return async (_url, { headers }) => {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.Range ?? "") ?? [, "0", String(bytes.length - 1)];
    const [start, end] = [Number(from), Math.min(bytes.length, Number(to) + 1)];
    const { status = 206, range = "true", etag, modified, retry, length, extra = 0 } = Object(left.shift());
    if (status === 0) throw new TypeError("fetch failed");
    const answer = new Headers();
    const set = (name, value) => {
      // What a server could not send either is left out.
      if (typeof value === "string" && /^[\x20-\x7e]*$/.test(value)) answer.set(name, value);
    };
    set("Content-Range", range === "true" ? `bytes ${start}-${end - 1}/${bytes.length}` : range);
    set("ETag", etag);
    set("Last-Modified", modified);
    set("Retry-After", retry);
    set("Content-Length", length);
    const wanted = bytes.subarray(start, end);
    const code = Number.isInteger(status) && status >= 200 && status <= 599 ? status : 206;
    if (code === 204 || code === 304 || code === 205) return new Response(null, { status: code, headers: answer });
    const count = Math.min(4096, Math.max(0, wanted.length + (typeof extra === "number" ? Math.trunc(extra) : 0)));
    const body = new Uint8Array(count);
    body.set(wanted.subarray(0, count));
    if (extra !== null) return new Response(body, { status: code, headers: answer });
    const broken = new ReadableStream({
      start(controller) {
        controller.enqueue(body.subarray(0, count >> 1));
        controller.error(new TypeError("terminated"));
      },
    });
    return new Response(broken, { status: code, headers: answer });
  };
}
