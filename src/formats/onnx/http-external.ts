/** External data and shards behind HTTP: files beside the model's own address. */
import { InvalidFormatError } from "../../errors.js";
import type { ByteSource } from "../bytes.js";
import { type HttpOptions, openHttp } from "../http-bytes.js";
import { innerPathFault } from "../inner-path.js";
import { quote } from "../json.js";
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
    const outside = (what: string) => {
      const { origin, pathname } = new URL(model);
      const file = `${origin}${pathname}`; // a query may hold a signature
      return new InvalidFormatError(
        `${file}: data at ${quote(location)}, which ${what}; it must lie beside the model, or in a folder under that.`,
        { file },
      );
    };
    const wrong = innerPathFault(location);
    if (wrong !== undefined) throw outside(wrong);
    const { href: address } = new URL(location.split("/").map(encodeURIComponent).join("/"), model);
    if (!address.startsWith(new URL(".", model).href)) throw outside(`leads to ${address}`);
    const source = open.get(address) ?? openHttp(address, options);
    open.set(address, source);
    source.catch(() => open.delete(address)); // a failure is tried anew
    return source;
  };
}
