export interface Table {
  readonly name: string;
  readonly columns: readonly string[];
  readonly rows: number;
  column(name: string): readonly string[];
  place(row: number): string;
}
export async function readTable(bytes: Uint8Array, name: string, _o: { columns?: readonly string[] }): Promise<Table> {
  const [head, ...rows] = new TextDecoder()
    .decode(bytes)
    .trimEnd()
    .split("\n")
    .map((l) => l.split("\t"));
  return {
    name,
    columns: head,
    rows: rows.length,
    column: (c) => rows.map((r) => r[head.indexOf(c)]),
    place: (r) => `line ${r + 2}`,
  };
}
