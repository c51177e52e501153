/** External data and shards behind HTTP: files beside the model's own address. */
import { InvalidFormatError } from "../../errors.js";
import type { ByteSource } from "../bytes.js";
import { type HttpOptions, openHttp } from "../http-bytes.js";
import { quote } from "../json.js";
import { locationFault } from "./location.js";
import type { ExternalResolver } from "./types.js";

/**
 * Finds what a model names beside itself, in the folder of its address or one under it; each file is opened once.
 * @param model address of the model
 * @param options sent with every request, as for the model
 * @throws {InvalidFormatError} (from the resolver) when a location is absolute or leads out of the folder.
 * @throws {FileError} (from the resolver) when there is no such file, or it cannot be read by ranges.
 */
export function httpResolver(model: string | URL, options: HttpOptions = {}): ExternalResolver {
  const open = new Map<string, Promise<ByteSource>>();
  return (location) => {
    const wrong = locationFault(location);
    if (wrong !== undefined) {
      const file = String(model);
      throw new InvalidFormatError(
        `${file}: data at ${quote(location)}, which ${wrong}; it must lie beside the model, or in a folder under that.`,
        { file },
      );
    }
    const address = new URL(location.split("/").map(encodeURIComponent).join("/"), model).href;
    const source = open.get(address) ?? openHttp(address, options);
    open.set(address, source);
    source.catch(() => open.delete(address)); // a failure is tried anew
    return source;
  };
}
