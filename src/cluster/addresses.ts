import type { ByteSource } from "../formats/bytes.js";
import { isHttpAddress, openHttp } from "../formats/http-bytes.js";
import { openFile } from "../formats/node-file.js";

/** Redirects could lead anywhere, past what a worker may read. */
const withoutRedirects: typeof fetch = (input, init) => fetch(input, { ...init, redirect: "error" });

/** What lies at an address; close it when it is a file. */
export function openAddress(address: string): Promise<ByteSource & { close?(): Promise<void> }> {
  return isHttpAddress(address) ? openHttp(address, { fetch: withoutRedirects }) : openFile(address);
}
