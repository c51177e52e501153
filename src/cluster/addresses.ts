import type { ByteSource } from "../formats/bytes.js";
import { isHttpAddress, openHttp } from "../formats/http-bytes.js";
import { openFile } from "../formats/node-file.js";

/** What lies at an address; close it when it is a file. */
export function openAddress(address: string): Promise<ByteSource & { close?(): Promise<void> }> {
  return isHttpAddress(address) ? openHttp(address) : openFile(address);
}
