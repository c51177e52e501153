// A file of the result, taken home: written where the person says, as it is made, or handed over whole.
import type { SessionClient } from "../session/connect.js";
import type { SavedFile } from "../session/protocol.js";

type Picker = (options: { suggestedName: string }) => Promise<FileSystemFileHandle>;

/** @returns false when the person thought better of it */
export async function save(
  session: SessionClient,
  file: SavedFile,
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  const picker = (globalThis as { showSaveFilePicker?: Picker }).showSaveFilePicker;
  if (picker) {
    let handle: FileSystemFileHandle;
    try {
      handle = await picker.call(globalThis, { suggestedName: name });
    } catch (error) {
      if ((error as Error).name === "AbortError") return false;
      throw error;
    }
    await session.call("save", [file, handle], { signal });
    return true;
  }
  const address = URL.createObjectURL(await session.call("blob", [file], { signal }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // The browser reads it after the click; a minute is plenty to begin.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
  return true;
}
