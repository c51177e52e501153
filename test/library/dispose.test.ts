// dispose() rejects what is pending at once.
import { expect, test } from "vitest";
import type { RowSource } from "../../src/index.js";
import { createLoewner } from "./threads.js";

test.each([1, 2])("a call whose read never comes: %i threads", async (threads) => {
  const loewner = await createLoewner({ threads });
  let asked: () => void;
  const reading = new Promise<void>((resolve) => (asked = resolve));
  const source: RowSource = {
    ...{ rows: 300, cols: 4, dtype: "f32" },
    read() {
      asked();
      return new Promise(() => undefined);
    },
  };
  const call = loewner.singularValues(source);
  const ended = expect(call).rejects.toMatchObject({ code: "DISPOSED" });
  await reading;
  loewner.dispose();
  await ended;
});
