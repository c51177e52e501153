/** What the smaller model is called: model.onnx becomes model.small.onnx; of an index in several files, the index. */
export function smallName(name: string): string {
  const base = name.replace(/^.*[/\\]/, "");
  const [, stem, ending] = /^(.*?)(\.(?:onnx|safetensors|safetensors\.index\.json))$/i.exec(base) ?? [];
  return stem === undefined ? `${base}.small` : `${stem}.small${ending}`;
}

/** What a model is called when it is whole again. */
export const wholeName = (name: string) =>
  `${name.replace(/^.*[/\\]/, "").replace(/(\.small)?\.safetensors$/i, "")}.whole.safetensors`;
