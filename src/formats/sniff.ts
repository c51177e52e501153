/** What a file that is not of the format asked for probably is: a sentence for an error message, or "". */
export function sniff(start: Uint8Array): string {
  const text = String.fromCharCode(...start.subarray(0, 40));
  if (text.startsWith("version https://git-lfs")) {
    return " It is a Git LFS pointer, not the file itself: run `git lfs pull`.";
  }
  if (text.startsWith("\x93NUMPY")) return " It is a NumPy .npy file.";
  if (text.startsWith("PK\x03\x04")) {
    return " It is a zip archive (.npz, or a PyTorch checkpoint): take the array out with numpy.load, or save the model as safetensors.";
  }
  if (text.startsWith("GGUF")) return " It is a GGUF file: start from the model's safetensors files instead.";
  if (text.startsWith("\x80\x02") || text.startsWith("\x80\x04")) {
    return " It is a Python pickle (an old PyTorch checkpoint): save the model as safetensors.";
  }
  if (text.startsWith("\x89HDF")) return " It is an HDF5 file: save the arrays as .npy or safetensors.";
  if (/^\s*<(!doctype|html)/i.test(text))
    return " It is a web page, perhaps an error page saved in place of the file: download it again.";
  if (text.startsWith("ORTM", 4)) return " It is a model in ONNX Runtime's own format: start from the .onnx file.";
  if (text.startsWith("TFL3", 4)) return " It is a TensorFlow Lite model: convert the original to ONNX.";
  if (/^.{8}\{"/s.test(text)) return " It is probably a safetensors file.";
  if (/^\s*[{[]/.test(text)) return " It is probably a JSON file.";
  return "";
}
