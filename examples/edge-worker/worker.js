// A Cloudflare Worker: POST a .npy matrix, take its factors home as .safetensors.
//
//   curl --data-binary @table.npy "https://.../?keep=0.5&p=1" -o factors.safetensors
import { createLoewner, isLoewnerError } from "loewner";
import { bytesSource, memorySink, openNpy, writeSafetensors } from "loewner/formats";

/** An isolate has 128 MB: the upload, wasm memory and the answer share them. */
const mostBytes = 16e6;
const dtypes = { Float32Array: "F32", Float64Array: "F64" };

export default {
  async fetch(request) {
    if (request.method !== "POST")
      return new Response("POST a .npy matrix.\n", { status: 405, headers: { allow: "POST" } });
    if (!(Number(request.headers.get("content-length") ?? Infinity) <= mostBytes)) {
      return new Response(`At most ${mostBytes} bytes, and say how many.\n`, { status: 413 });
    }
    const { searchParams } = new URL(request.url);
    const [keep, p] = ["keep", "p"].map((name, i) => Number(searchParams.get(name) ?? [0.5, 1][i]));
    const loewner = await createLoewner();
    try {
      const matrix = await openNpy(bytesSource(await request.arrayBuffer(), "the upload"));
      const { left, right, report } = await loewner.lowRank(matrix, { keep, p });
      const tensors = Object.entries({ left, right }).map(([name, { data, rows, cols }]) => {
        const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
        const dtype = dtypes[data.constructor.name];
        return { name, dtype, shape: [rows, cols], byteLength: bytes.length, chunks: () => [bytes] };
      });
      const sink = memorySink();
      await writeSafetensors(sink, { tensors, metadata: { bound: String(report.certificate.bound), p: String(p) } });
      return new Response(sink.bytes(), { headers: { "content-type": "application/octet-stream" } });
    } catch (error) {
      if (!isLoewnerError(error)) throw error;
      return Response.json({ code: error.code, message: error.message }, { status: 400 });
    } finally {
      loewner.dispose();
    }
  },
};
