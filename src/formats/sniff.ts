/** What a file that is not of the format asked for probably is: a sentence for an error message, or "". */
import { quote } from "./json.js";

/** Bytes that are looked at. */
export const sniffedBytes = 96;

export function sniff(start: Uint8Array): string {
  const other = standIn(start);
  if (other !== "") return other;
  const text = latin1(start);
  if (text.startsWith("\x93NUMPY")) return " It is a NumPy .npy file.";
  if (text.startsWith("PK\x03\x04")) {
    return " It is a zip archive (.npz, or a PyTorch checkpoint): take the array out with numpy.load, or save the model as safetensors.";
  }
  if (text.startsWith("GGUF")) return " It is a GGUF file: start from the model's safetensors files instead.";
  if (text.startsWith("\x80\x02") || text.startsWith("\x80\x04")) {
    return " It is a Python pickle (an old PyTorch checkpoint): save the model as safetensors.";
  }
  if (text.startsWith("\x89HDF")) return " It is an HDF5 file: save the arrays as .npy or safetensors.";
  if (text.startsWith("\x1f\x8b")) return " It is compressed by gzip: unpack it first (gunzip).";
  if (text.startsWith("ORTM", 4)) return " It is a model in ONNX Runtime's own format: start from the .onnx file.";
  if (text.startsWith("TFL3", 4)) return " It is a TensorFlow Lite model: convert the original to ONNX.";
  if (/^.{8}\{"/s.test(text)) return " It is probably a safetensors file.";
  const error = errorMessage(start);
  if (error !== "") return error;
  if (/^\s*[{[]/.test(text)) return " It is probably a JSON file.";
  if (text.length >= 4 && /^[\x20-\x7e\s]+$/.test(text))
    return ` It is text that begins with ${quote(shortened(text))}, perhaps an error message saved in place of the file: download it again.`;
  return "";
}

/**
 * The same of what no file of numbers or texts begins with, whatever its format: a pointer to a file that was not fetched, or a page that
 * a server gave in its place. "" for all else.
 */
export function standIn(start: Uint8Array): string {
  const text = latin1(start).replace(/^\xef\xbb\xbf/, "");
  if (/^version https:\/\/(git-lfs|hawser)\.github\.com/.test(text) || text.startsWith("version https://git-lfs"))
    return " It is a Git LFS pointer, not the file itself: run `git lfs pull`.";
  if (/^# xet version/.test(text))
    return " It is a Git Xet pointer, not the file itself: run `git xet checkout`, or `git lfs pull`.";
  if (/^(\.\.\/)*(\.git)?\/?annex\/objects\//.test(text))
    return " It is a git-annex pointer, not the file itself: run `git annex get`.";
  if (/^\s*(<!--.*?-->\s*)?<(!doctype\s+html|html)\b/is.test(text))
    return " It is a web page, perhaps an error page saved in place of the file: download it again.";
  if (/^\s*<(\?xml|error>)/i.test(text))
    return " It is an XML document, perhaps the error message of a server saved in place of the file: download it again.";
  return "";
}

/** JSON that says what went wrong, as servers answer in place of a file. */
export function errorMessage(start: Uint8Array): string {
  const text = latin1(start);
  if (!/^\s*\{\s*"(error|errors|message|detail)"\s*:/i.test(text)) return "";
  return ` It holds an error message (${quote(shortened(text))}) in place of the file: download it again.`;
}

function shortened(text: string): string {
  const words = text.trim().replace(/\s+/g, " ");
  return words.length > 48 ? `${words.slice(0, 48).trim()} ...` : words;
}

const latin1 = (bytes: Uint8Array) => String.fromCharCode(...bytes.subarray(0, sniffedBytes));
